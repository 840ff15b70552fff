import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from cvrun.metric import Metric, Prediction, mean_average_precision

compute = Metric("mean_average_precision", mean_average_precision.MODE, mean_average_precision.values).compute


def drawn(seed: int, classes: int = 5, count: int = 120) -> Prediction:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    probabilities[np.arange(count), targets] += 0.3
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), targets)


def test_e4_it_is_the_mean_area_and_not_the_mean_of_precisions() -> None:
    second = np.array([0.9, 0.8, 0.7, 0.6, 0.5], dtype=np.float32)
    prediction = Prediction(np.stack([1 - second, second], axis=1), np.array([1, 0, 1, 1, 0]))
    # Of the first class the ranking is 1, 0, 0, 1, 0; every image is called the second, of which 3 of 5 are.
    assert compute(prediction) == pytest.approx((0.80556 + (1 + 2 / 4) / 2) / 2, abs=5e-6)


@pytest.mark.parametrize("classes", [3, 6])
def test_agrees_with_scikit_learn(classes: int) -> None:
    prediction = drawn(classes, classes)
    truth = np.eye(classes)[prediction.targets]
    expected = average_precision_score(truth, prediction.probabilities, average="macro")
    assert 0 < expected < 1 and compute(prediction) == pytest.approx(expected)
