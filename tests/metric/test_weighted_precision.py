import numpy as np
import pytest
from sklearn.metrics import precision_score

from cvrun.metric import Metric, Prediction, weighted_precision

compute = Metric("weighted_precision", weighted_precision.MODE, weighted_precision.values).compute


def drawn(seed: int, classes: int = 5, count: int = 120) -> Prediction:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    probabilities[np.arange(count), targets] += 0.3
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), targets)


def test_the_worked_example(binary: Prediction) -> None:
    # 940 images of one class and 60 of the other.
    assert compute(binary) == pytest.approx(0.94 * 0.97895 + 0.06 * 0.8, abs=5e-6)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed: int) -> None:
    prediction = drawn(seed)
    expected = precision_score(prediction.targets, prediction.labels, average="weighted")
    assert 0 < expected < 1 and compute(prediction) == pytest.approx(expected)


def test_a_class_never_predicted_is_left_out_as_scikit_learn_leaves_it(of_matrix) -> None:
    prediction = of_matrix([[8, 2, 0], [1, 4, 0], [3, 2, 0]])
    given = {"average": "weighted", "zero_division": np.nan}
    expected = precision_score(prediction.targets, prediction.labels, labels=range(3), **given)
    assert compute(prediction) == pytest.approx(expected) == pytest.approx((10 * 8 / 12 + 5 * 4 / 8) / 15)
