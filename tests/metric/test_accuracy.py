import numpy as np
import pytest

from cvrun.metric import Metric, Prediction, accuracy

compute = Metric("accuracy", accuracy.MODE, accuracy.values).compute


def test_h9_the_worked_examples(binary: Prediction, three_classes: Prediction) -> None:
    assert compute(binary) == pytest.approx(0.97)
    assert compute(three_classes) == pytest.approx(0.81)


def test_the_lowest_index_wins_a_tie() -> None:
    ties = np.full((2, 2), 0.5, dtype=np.float32)
    assert compute(Prediction(ties, np.array([0, 0]))) == 1.0
    assert compute(Prediction(ties, np.array([1, 1]))) == 0.0
