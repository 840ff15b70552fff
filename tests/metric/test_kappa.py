import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from cvrun.metric import Metric, Prediction, kappa

compute = Metric("kappa", kappa.MODE, kappa.values).compute


def drawn(seed: int, classes: int = 5, count: int = 120) -> Prediction:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    probabilities[np.arange(count), targets] += 0.3
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), targets)


def test_cohens_worked_example(of_matrix) -> None:
    # Two judges of 50 cases, 20 and 15 agreed on: observed 0.7, by chance 0.5.
    assert compute(of_matrix([[20, 5], [10, 15]])) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed: int) -> None:
    prediction = drawn(seed)
    expected = cohen_kappa_score(prediction.targets, prediction.labels)
    assert 0 < expected < 1 and compute(prediction) == pytest.approx(expected)


def test_one_class_alone_is_undefined(of_matrix) -> None:
    assert np.isnan(compute(of_matrix([[9, 0], [0, 0]])))


def test_naming_the_majority_is_worth_nothing(of_matrix) -> None:
    assert compute(of_matrix([[95, 0], [5, 0]])) == 0.0
