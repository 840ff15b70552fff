"""task=classification against torch and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from torch import nn

from cvrun import config, options
from cvrun.metric import Metric, Prediction
from cvrun.pipeline import Batch
from cvrun.task.classification import Config, build
from cvrun.trainer import PLAIN
from cvrun.tta import TTA, View


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return Batch(torch.randn(7, 3, 4, 4), torch.tensor([0, 1, 2, 1, 1, 0, 2]), torch.arange(7))


@pytest.fixture
def model():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3))


def loss(*overrides, counts=(2, 3, 2)):
    choice = config.compose(list(overrides)).parts["loss"]
    return options.build("loss", choice.option, choice.config, np.array(counts))


def test_the_loss_is_the_mean_cross_entropy(batch, model):
    task = build(Config("none"), loss(), (), ())
    expected = nn.functional.cross_entropy(model(batch.image), batch.target)
    assert task.loss(model, batch, batch).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("num", [2, 3, 7])
@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_parts_add_up_to_the_whole_in_loss_and_gradient(batch, model, num, weights):
    task = build(Config("none"), loss(f"loss.class_weights={weights}"), (), ())
    whole = task.loss(model, batch, batch)
    whole.backward()
    gradient = model[1].weight.grad.clone()
    model.zero_grad()
    total = 0.0
    for part in batch.parts(num):
        share = task.loss(model, part, batch)
        share.backward()
        total += share.item()
    assert total == pytest.approx(whole.item(), rel=1e-5)
    assert torch.allclose(model[1].weight.grad, gradient, atol=1e-6)


def test_predictions_are_the_softmax_in_float32(batch, model):
    task = build(Config("none"), loss(), (), ())
    found = task.predict(model, batch.image, PLAIN)
    assert found.dtype == torch.float32
    assert torch.equal(found, torch.softmax(model(batch.image), dim=1))
    half = task.predict(model.to(torch.bfloat16), batch.image.to(torch.bfloat16), PLAIN)
    assert half.dtype == torch.float32
    assert torch.allclose(half.sum(dim=1), torch.ones(7), atol=1e-6)


def test_views_are_predicted_and_merged(batch, model):
    flip = View("flip", lambda x: x.flip(-1), lambda x: x.flip(-1))
    same = View("same", lambda x: x, lambda x: x)
    task = build(Config("none"), loss(), (), ())
    expected = (torch.softmax(model(batch.image), 1) + torch.softmax(model(batch.image.flip(-1)), 1)) / 2
    assert torch.allclose(task.predict(model, batch.image, TTA((same, flip), "mean")), expected, atol=1e-6)


def test_details_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(4), 50).astype(np.float32)
    targets = random.integers(0, 3, 50)
    prediction = Prediction(probabilities, targets)
    details = build(Config("none"), loss(), (), ()).details(prediction, ("a", "b", "c", "d"))
    labels = probabilities.argmax(axis=1)
    assert details["confusion_matrix"] == confusion_matrix(targets, labels, labels=range(4)).tolist()
    columns = precision_recall_fscore_support(targets, labels, labels=range(4), zero_division=np.nan)
    assert [row["class"] for row in details["per_class"]] == ["a", "b", "c", "d"]
    assert [row["support"] for row in details["per_class"]] == columns[3].tolist()
    for name, values in zip(("precision", "recall", "f1"), columns[:3], strict=True):
        expected = [None if np.isnan(value) else pytest.approx(value) for value in values]
        assert [row[name] for row in details["per_class"]] == expected
    # No image of class d: nothing to recall.
    assert details["per_class"][3]["recall"] is None


def test_metrics_come_by_their_names():
    prediction = Prediction(np.eye(3, dtype=np.float32), np.array([0, 1, 1]))
    metrics = (
        Metric("share", "max", lambda p, weights: weights @ (p.labels == p.targets) / weights.sum(axis=1)),
        Metric("n", "min", lambda p, weights: np.full(len(weights), 3.0)),
    )
    assert build(Config("none"), loss(), metrics, ()).metrics(prediction) == {"share": pytest.approx(2 / 3), "n": 3.0}
