import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from cvrun.metric import Metric, Prediction, mcc

compute = Metric("mcc", mcc.MODE, mcc.values).compute


def drawn(seed: int, classes: int = 5, count: int = 120) -> Prediction:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    probabilities[np.arange(count), targets] += 0.3
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), targets)


def test_h11_the_worked_examples(binary: Prediction, three_classes: Prediction) -> None:
    assert compute(binary) == pytest.approx(0.71485, abs=5e-6)
    assert compute(three_classes) == pytest.approx(0.65287, abs=5e-6)


def test_h11_an_empty_margin_is_zero(of_matrix) -> None:
    assert compute(of_matrix([[9, 0], [3, 0]])) == 0.0
    assert compute(of_matrix([[9, 3], [0, 0]])) == 0.0


def test_always_the_other_class_is_minus_one(of_matrix) -> None:
    assert compute(of_matrix([[0, 7], [5, 0]])) == pytest.approx(-1.0)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed: int) -> None:
    prediction = drawn(seed)
    expected = matthews_corrcoef(prediction.targets, prediction.labels)
    assert 0 < expected < 1 and compute(prediction) == pytest.approx(expected)
