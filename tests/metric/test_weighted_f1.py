import numpy as np
import pytest
from sklearn.metrics import f1_score

from cvrun.metric import Metric, Prediction, weighted_f1

compute = Metric("weighted_f1", weighted_f1.MODE, weighted_f1.values).compute


def drawn(seed: int, classes: int = 5, count: int = 120) -> Prediction:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    probabilities[np.arange(count), targets] += 0.3
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), targets)


def test_the_worked_example(binary: Prediction) -> None:
    # 940 images of one class and 60 of the other.
    assert compute(binary) == pytest.approx(0.94 * 1860 / 1890 + 0.06 * 0.72727, abs=5e-6)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed: int) -> None:
    prediction = drawn(seed)
    expected = f1_score(prediction.targets, prediction.labels, average="weighted")
    assert 0 < expected < 1 and compute(prediction) == pytest.approx(expected)
