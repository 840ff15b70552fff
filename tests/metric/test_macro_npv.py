import numpy as np
import pytest
from sklearn.metrics import precision_score

from cvrun.metric import Metric, Prediction, macro_npv

compute = Metric("macro_npv", macro_npv.MODE, macro_npv.values).compute


def drawn(seed: int, classes: int = 5, count: int = 120) -> Prediction:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    probabilities[np.arange(count), targets] += 0.3
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), targets)


def test_h3_the_worked_example(binary: Prediction) -> None:
    # The negative predictive value of one class is the precision of the other.
    assert compute(binary) == pytest.approx((0.97895 + 0.80000) / 2, abs=5e-6)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed: int) -> None:
    prediction = drawn(seed)
    each = [precision_score(prediction.targets != k, prediction.labels != k) for k in range(5)]
    assert compute(prediction) == pytest.approx(np.mean(each))


def test_a_class_that_all_images_were_given_is_left_out(of_matrix) -> None:
    assert compute(of_matrix([[6, 0], [2, 0]])) == 0.75
