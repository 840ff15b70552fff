"""diverged.json says what there is to know about the step that was to blame."""

import dataclasses
import json
import math

import pytest
import torch

from cvrun.errors import DivergedError
from cvrun.rng import generator
from cvrun.trainer.diverged import diverged

SAMPLED = ["trainer.epochs=3", "scheduler=cosine", "scheduler.warmup=0st", "optimizer.lr=0.5"]
"""12 steps of 300 of the 1,437 training images, four an epoch."""


def content(run) -> dict:
    def refuse(word):
        raise AssertionError(word)

    return json.loads((run.folder.path / "diverged.json").read_text(), parse_constant=refuse)


def images_of(run, step: int) -> list[str]:
    """The images of a step: the sampler's permutation of its epoch, cut into batches."""
    rows = run.train_batches.store.index[torch.randperm(1437, generator=generator(0, "shuffle", step // 4))]
    first = step % 4 * 300
    return [run.ids[row] for row in rows[first : first + 300].tolist()]


@pytest.mark.parametrize("step", [0, 3, 4, 11])
def test_it_names_step_rate_and_images(start, step):
    run, _ = start(*SAMPLED)
    error = diverged(run, step, "train/loss=nan")
    found = content(run)
    assert (found["step"], found["found"]) == (step, "train/loss=nan")
    assert found["images"] == images_of(run, step)
    assert len(set(found["images"])) == 300
    # To a hundredth at the last step, as configs/scheduler/cosine.yaml says.
    lr = 0.5 * (0.01 + 0.99 * (1 + math.cos(math.pi * step / 11)) / 2)
    assert found["lr"] == pytest.approx(lr, rel=1e-9)
    assert isinstance(error, DivergedError) and error.exit_code == 5
    assert f"train/loss=nan in the update after step {step} (lr {lr:.4g}), expected finite numbers" in str(error)
    assert "its 300 images are in diverged.json" in str(error) and "lower optimizer.lr" in str(error)


def test_of_several_ranks_each_names_the_images_of_all_and_one_writes_them(start):
    run, _ = start(*SAMPLED)
    share = dataclasses.replace(run.train_batches, rank=1, world=2)
    assert len(next(share(2)).index) == 150
    follower = dataclasses.replace(run, train_batches=share, folder=dataclasses.replace(run.folder, ours=False))
    assert "its 300 images are in diverged.json" in str(diverged(follower, 2, "a gradient is not finite"))
    assert not run.folder.diverged.exists()
    diverged(dataclasses.replace(run, train_batches=share), 2, "a gradient is not finite")
    assert content(run)["images"] == images_of(run, 2)


def test_after_the_last_step_there_are_no_images(start):
    run, _ = start(*SAMPLED)
    diverged(run, 12, "a weight is not finite")
    assert content(run)["images"] == []


def test_a_rate_that_is_not_finite_is_null(start):
    run, _ = start(*SAMPLED)
    object.__setattr__(run.schedule.span, "lr", math.inf)
    diverged(run, 2, "x")
    assert content(run)["lr"] is None
