"""What a state must be like: a forged one is refused before anything is done with it."""

import copy

import pytest
import torch

from cvrun.errors import CheckpointError
from cvrun.trainer.loop import load_state, train


@pytest.fixture(scope="module")
def kept():
    return {}


@pytest.fixture
def trained(start, kept):
    """State and content after 8 steps, with momentum and averaged weights."""
    run, state = start("optimizer=sgd_nesterov", "trainer.ema_decay=0.9")
    if not kept:
        train(run, state)
        kept["content"] = copy.deepcopy(state.state_dict())
        run, state = start("optimizer=sgd_nesterov", "trainer.ema_decay=0.9")
    return state, copy.deepcopy(kept["content"])


def test_an_honest_one_is_loaded(trained, digest):
    state, content = trained
    load_state(state, content, 8, 8, "x")
    assert digest(state.state_dict()) == digest(content)


def entry(content, position=0):
    return content["optimizer"]["state"][position]


FORGED = {
    "a buffer of another size": lambda c: entry(c).update(momentum_buffer=torch.zeros(1)),
    "a buffer of whole numbers": lambda c: entry(c).update(
        momentum_buffer=torch.zeros_like(entry(c)["momentum_buffer"]).long()
    ),
    "a sparse buffer": lambda c: entry(c).update(momentum_buffer=torch.zeros(2, 2).to_sparse()),
    "a buffer without memory": lambda c: entry(c).update(
        momentum_buffer=torch.empty_like(entry(c)["momentum_buffer"], device="meta")
    ),
    "state of no parameter": lambda c: c["optimizer"]["state"].update({10**6: {}}),
    "no state": lambda c: c["optimizer"]["state"].update({0: None}),
    "momentum that is text": lambda c: c["optimizer"]["param_groups"][0].update(momentum="x"),
    "parameters in another order": lambda c: c["optimizer"]["param_groups"][0]["params"].reverse(),
    "one group less": lambda c: c["optimizer"]["param_groups"].pop(),
    "no optimizer": lambda c: c.update(optimizer=None),
    "another step": lambda c: c.update(step=7),
    "a step that is text": lambda c: c.update(step="8"),
    "an evaluation to come": lambda c: c.update(evaluated=9),
    "a best step that is a path": lambda c: c["best"].update(step="../../x"),
    "a best step to come": lambda c: c["best"].update(step=10**9),
    "a best score that is none": lambda c: c["best"].update(score=float("nan")),
    "no best": lambda c: c.update(best=None),
    "a loss that is text": lambda c: c["loss_mean"].update(total="x"),
    "a count below zero": lambda c: c["loss_mean"].update(num_images=-1),
    "double weights": lambda c: c.update(model={k: v.double() for k, v in c["model"].items()}),
    "weights that are text": lambda c: c.update(model=dict.fromkeys(c["model"], "x")),
    "averages of another shape": lambda c: c["ema"].update(
        model={name: value.flatten()[:0] for name, value in c["ema"]["model"].items()}
    ),
    "a part less": lambda c: c.pop("plateau"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_one_is_refused(trained, name):
    state, content = trained
    FORGED[name](content)
    with pytest.raises(CheckpointError, match="^x"):
        load_state(state, content, 8, 8, "x")


@pytest.mark.parametrize("content", [None, [], {}, {"step": 8}])
def test_what_is_no_state_is_refused(trained, content):
    with pytest.raises(CheckpointError, match="holds no whole state"):
        load_state(trained[0], content, 8, 8, "x")


def test_more_steps_than_the_run_has_are_refused(trained):
    state, content = trained
    with pytest.raises(CheckpointError, match="more than the run has"):
        load_state(state, content, 8, 7, "x")
