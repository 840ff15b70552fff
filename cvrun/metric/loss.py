"""Mean negative log-probability of the true class: plain cross-entropy, whatever training minimizes."""

from __future__ import annotations

import math

import numpy as np

from cvrun.metric import Prediction

MODE = "min"
MIN_CLASSES = 1


def compute(prediction: Prediction) -> float:
    """Give the mean of -log p in float64 [nat]; p is at least float32's smallest normal number, about 1.2e-38."""
    rows = np.arange(len(prediction.targets))
    true = prediction.probabilities[rows, prediction.targets].astype(np.float64)
    smallest = float(np.finfo(np.float32).tiny)
    return float(np.log(1.0 / np.maximum(true, smallest)).mean()) if len(true) else math.nan
