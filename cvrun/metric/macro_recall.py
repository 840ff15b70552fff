"""Mean over the classes of recall, TP / (TP + FN)."""

from __future__ import annotations

from cvrun.metric import Prediction
from cvrun.metric._table import macro

MODE = "max"
MIN_CLASSES = 1


def compute(prediction: Prediction) -> float:
    """Give the mean over the classes that have images, in [0, 1]; NaN without images."""
    return macro("recall", prediction)
