import argparse
import dataclasses
import math

import pytest
import torch

from cvrun.command._ingredients import Ingredient
from cvrun.command._measured import ready
from cvrun.command._souped import souped
from cvrun.errors import DataError


@pytest.fixture
def run(finished):
    """A finished run that monitors the loss."""
    given = argparse.Namespace(run=finished, overrides=[], checkpoint="best", tta=None, no_decision=True, resamples=0)
    found = ready(given)
    training = dataclasses.replace(found.prepared.plan.training, monitor="val/loss", mode="min")
    plan = dataclasses.replace(found.prepared.plan, training=training)
    return dataclasses.replace(found, prepared=dataclasses.replace(found.prepared, plan=plan))


def ingredients(run, *scales: float) -> list[Ingredient]:
    """The run's own weights with those of the classifier scaled: 0 knows nothing."""
    own = {name: value.clone() for name, value in run.trained.model.state_dict().items()}
    found = []
    for scale in scales:
        weights = {name: value * scale if name.startswith("head.") else value for name, value in own.items()}
        found.append(Ingredient(run.folder, f"{scale}", "best", 1, run.trained.meta, weights, f"{scale}"))
    return found


def test_the_classifier_is_scaled(run):
    one, none = ingredients(run, 1.0, 0.0)
    assert any(not torch.equal(one.weights[name], none.weights[name]) for name in one.weights)


def test_a_lower_loss_is_better_for_greedy(run):
    found = souped(run, ingredients(run, 0.0, 1.0, -9.0), choose=True)
    # A classifier of zeros has the loss of chance.
    assert found.scores[0] == pytest.approx(math.log(10), rel=1e-5)
    assert found.scores[1] < found.scores[0] < found.scores[2]
    assert found.kept[0] == 1 and 2 not in found.kept
    assert found.score <= found.scores[1]


def test_one_that_is_kept_alone_is_as_it_was_whatever_was_tried_before(run):
    own = ingredients(run, 1.0)[0].weights
    found = souped(run, ingredients(run, 1.0, -9.0), choose=True)
    assert found.kept == (0,) and found.norm_images == 0
    assert all(torch.equal(found.weights[name], own[name]) for name in own)
    assert found.score == found.scores[0]


def test_the_model_holds_what_is_given(run):
    found = souped(run, ingredients(run, 0.5, 1.0), choose=False)
    assert found.kept == (0, 1) and found.norm_images == 1200
    held = run.trained.model.state_dict()
    assert all(torch.equal(found.weights[name], held[name]) for name in held)
    assert all(value.device.type == "cpu" for value in found.weights.values())
    before = {name: value.clone() for name, value in found.weights.items()}
    for value in held.values():
        value.zero_()
    assert all(torch.equal(found.weights[name], before[name]) for name in before)


def test_a_score_that_is_undefined_is_said(run):
    class Task:
        def predict(self, model, images, views):
            return run.task.predict(model, images, views)

        def metrics(self, prediction):
            return {"loss": math.nan}

    with pytest.raises(DataError, match="^val/loss: undefined for 1.0, expected a number"):
        souped(dataclasses.replace(run, task=Task()), ingredients(run, 1.0, 0.5), choose=False)
