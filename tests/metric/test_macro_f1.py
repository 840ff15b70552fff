from collections.abc import Callable, Sequence

import pytest

from cvrun.metric import Metric, Prediction, macro_f1

compute = Metric("macro_f1", macro_f1.MODE, macro_f1.values).compute

OfMatrix = Callable[[Sequence[Sequence[int]]], Prediction]


def test_h4_the_worked_examples(binary: Prediction, three_classes: Prediction) -> None:
    # F1 is 2 TP / (2 TP + FP + FN): 80/110 and 1860/1890, then the mean Dice of the three-class example.
    assert compute(binary) == pytest.approx((80 / 110 + 1860 / 1890) / 2)
    assert compute(three_classes) == pytest.approx(0.61405, abs=5e-6)


def test_a_class_that_does_not_occur_is_left_out_and_one_never_right_counts_as_zero(of_matrix: OfMatrix) -> None:
    # Class 1 is never right; class 2 occurs nowhere.
    assert compute(of_matrix([[8, 2, 0], [2, 0, 0], [0, 0, 0]])) == pytest.approx((16 / 20 + 0.0) / 2)
