import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from cvrun.metric import Metric, Prediction, brier

compute = Metric("brier", brier.MODE, brier.values).compute


def drawn(seed: int, classes: int = 5, count: int = 120) -> Prediction:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    probabilities[np.arange(count), targets] += 0.3
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), targets)


def test_m12_the_worked_example() -> None:
    probabilities = np.array([[0.1, 0.9], [0.1, 0.9], [0.4, 0.6], [0.4, 0.6]], dtype=np.float32)
    assert compute(Prediction(probabilities, np.array([1, 0, 1, 1]))) == pytest.approx(0.285, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_agrees_with_scikit_learn(classes: int) -> None:
    prediction = drawn(classes, classes)
    # Of two classes scikit-learn wants the probabilities of the second.
    wide = prediction.probabilities.astype(np.float64)
    given = wide[:, 1] if classes == 2 else wide / wide.sum(axis=1, keepdims=True)
    expected = brier_score_loss(prediction.targets, given, labels=range(classes))
    assert compute(prediction) == pytest.approx(expected, rel=1e-5)


def test_certainty_of_a_wrong_class_costs_two_or_of_two_classes_one() -> None:
    for classes, cost in ((2, 1.0), (3, 2.0)):
        wrong = Prediction(np.eye(classes, dtype=np.float32)[[0, 0]], np.array([1, 1]))
        assert compute(wrong) == cost
