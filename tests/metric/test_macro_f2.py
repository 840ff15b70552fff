import numpy as np
import pytest
from sklearn.metrics import fbeta_score

from cvrun.metric import Metric, Prediction, macro_f2

compute = Metric("macro_f2", macro_f2.MODE, macro_f2.values).compute


def drawn(seed: int, classes: int = 5, count: int = 120) -> Prediction:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    probabilities[np.arange(count), targets] += 0.3
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), targets)


def test_h5_the_worked_example(binary: Prediction) -> None:
    # Of the positive class 0.68966; of the other, with TP 930, FP 20 and FN 10, by the same formula.
    assert compute(binary) == pytest.approx((0.68966 + 5 * 930 / (5 * 930 + 4 * 10 + 20)) / 2, abs=5e-6)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed: int) -> None:
    prediction = drawn(seed)
    expected = fbeta_score(prediction.targets, prediction.labels, beta=2, average="macro")
    assert 0 < expected < 1 and compute(prediction) == pytest.approx(expected)


def test_a_class_that_does_not_occur_is_left_out(of_matrix) -> None:
    assert compute(of_matrix([[8, 2, 0], [0, 5, 0], [0, 0, 0]])) == pytest.approx(compute(of_matrix([[8, 2], [0, 5]])))
