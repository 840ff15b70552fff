"""Mean over the classes of F1, 2 TP / (2 TP + FP + FN)."""

from __future__ import annotations

from cvrun.metric import Prediction
from cvrun.metric._table import macro

MODE = "max"
MIN_CLASSES = 1


def compute(prediction: Prediction) -> float:
    """Give the mean over the classes that occur in truth or prediction, in [0, 1]; NaN without images."""
    return macro("f1", prediction)
