from collections.abc import Callable, Sequence

import pytest
from sklearn.metrics import balanced_accuracy_score

from cvrun.metric import Metric, Prediction, balanced_accuracy

compute = Metric("balanced_accuracy", balanced_accuracy.MODE, balanced_accuracy.values).compute

OfMatrix = Callable[[Sequence[Sequence[int]]], Prediction]


def test_h10_the_worked_examples(binary: Prediction, three_classes: Prediction) -> None:
    assert compute(binary) == pytest.approx(0.82801, abs=5e-6)
    assert compute(three_classes) == pytest.approx(0.61970, abs=5e-6)


def test_naming_the_majority_is_worth_a_coin(of_matrix: OfMatrix) -> None:
    assert compute(of_matrix([[95, 0], [5, 0]])) == 0.5


def test_a_class_without_images_is_left_out(of_matrix: OfMatrix) -> None:
    prediction = of_matrix([[8, 1, 1], [4, 6, 0], [0, 0, 0]])
    assert compute(prediction) == pytest.approx((0.8 + 0.6) / 2)


def test_agrees_with_scikit_learn(three_classes: Prediction) -> None:
    expected = balanced_accuracy_score(three_classes.targets, three_classes.labels)
    assert compute(three_classes) == pytest.approx(expected)
