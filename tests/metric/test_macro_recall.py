from collections.abc import Callable, Sequence

import pytest

from cvrun.metric import Metric, Prediction, macro_recall

compute = Metric("macro_recall", macro_recall.MODE, macro_recall.values).compute

OfMatrix = Callable[[Sequence[Sequence[int]]], Prediction]


def test_h2_the_worked_examples(binary: Prediction, three_classes: Prediction) -> None:
    assert compute(binary) == pytest.approx((0.66667 + 0.98936) / 2, abs=1e-5)
    assert compute(three_classes) == pytest.approx(0.61970, abs=5e-6)


def test_a_class_without_images_is_left_out_and_one_never_found_counts_as_zero(of_matrix: OfMatrix) -> None:
    assert compute(of_matrix([[8, 1, 1], [4, 0, 6], [0, 0, 0]])) == pytest.approx((0.8 + 0.0) / 2)
