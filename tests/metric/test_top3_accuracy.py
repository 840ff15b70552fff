import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from cvrun.metric import Metric, Prediction, top3_accuracy

compute = Metric("top3_accuracy", top3_accuracy.MODE, top3_accuracy.values).compute


def drawn(seed: int, classes: int = 5, count: int = 120) -> Prediction:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    probabilities[np.arange(count), targets] += 0.3
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), targets)


def test_h14_chance_is_three_of_the_classes() -> None:
    ties = np.full((10, 10), 0.1, dtype=np.float32)
    assert compute(Prediction(ties, np.arange(10))) == 0.3


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed: int) -> None:
    prediction = drawn(seed, 8)
    prediction = Prediction(prediction.probabilities, np.roll(prediction.targets, 1))
    expected = top_k_accuracy_score(prediction.targets, prediction.probabilities, k=3, labels=range(8))
    assert 0 < expected < 1 and compute(prediction) == pytest.approx(expected)
