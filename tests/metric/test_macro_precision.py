from collections.abc import Callable, Sequence

import pytest

from cvrun.metric import Metric, Prediction, macro_precision

compute = Metric("macro_precision", macro_precision.MODE, macro_precision.values).compute

OfMatrix = Callable[[Sequence[Sequence[int]]], Prediction]


def test_h13_the_worked_examples(binary: Prediction, three_classes: Prediction) -> None:
    assert compute(binary) == pytest.approx((0.8 + 0.97895) / 2, abs=5e-6)
    assert compute(three_classes) == pytest.approx(0.61497, abs=5e-6)


def test_a_class_never_predicted_is_left_out_and_one_always_wrong_counts_as_zero(of_matrix: OfMatrix) -> None:
    assert compute(of_matrix([[9, 3, 0], [0, 0, 0], [1, 0, 0]])) == pytest.approx((0.9 + 0.0) / 2)
