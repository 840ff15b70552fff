import numpy as np
import pytest
from sklearn.metrics import recall_score

from cvrun.metric import Metric, Prediction, macro_specificity

compute = Metric("macro_specificity", macro_specificity.MODE, macro_specificity.values).compute


def drawn(seed: int, classes: int = 5, count: int = 120) -> Prediction:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    probabilities[np.arange(count), targets] += 0.3
    return Prediction(probabilities / probabilities.sum(axis=1, keepdims=True), targets)


def test_h6_the_worked_example(binary: Prediction) -> None:
    # The specificity of one class is the recall of the other.
    assert compute(binary) == pytest.approx((0.98936 + 0.66667) / 2, abs=1e-5)


def test_h6_of_three_classes_each_stands_against_the_rest(three_classes: Prediction) -> None:
    assert compute(three_classes) == pytest.approx((40 / 45 + 53 / 60 + 88 / 95) / 3)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed: int) -> None:
    prediction = drawn(seed)
    each = [recall_score(prediction.targets != k, prediction.labels != k) for k in range(5)]
    assert compute(prediction) == pytest.approx(np.mean(each))


def test_a_class_that_all_images_are_of_is_left_out(of_matrix) -> None:
    assert compute(of_matrix([[6, 2], [0, 0]])) == 0.75
