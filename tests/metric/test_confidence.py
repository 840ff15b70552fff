import numpy as np

from cvrun.metric import Prediction
from cvrun.metric._confidence import bin_of, confidence


def test_a_bin_holds_its_upper_end_and_the_first_holds_zero() -> None:
    assert bin_of(np.array([0.0, 0.1, 0.25, 0.26, 0.5, 0.75, 0.76, 1.0]), 4).tolist() == [0, 0, 0, 1, 1, 2, 3, 3]


def test_confidence_is_the_highest_probability() -> None:
    prediction = Prediction(np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32), np.array([0, 0]))
    found = confidence(prediction)
    assert found.tolist() == [0.75, 0.5] and found.dtype == np.float64
