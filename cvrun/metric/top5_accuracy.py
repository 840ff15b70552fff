"""Share of the images whose true class is among the five most probable ones."""

from __future__ import annotations

import math

import numpy as np

from cvrun.metric import Prediction

MODE = "max"
MIN_CLASSES = 5
TOP = 5


def compute(prediction: Prediction) -> float:
    """Give the share, in [0, 1]; NaN with fewer than five classes or without images.

    Among equal probabilities the lower class index comes first, so the value does not depend on a sort.
    """
    if prediction.num_classes < TOP or not len(prediction.targets):
        return math.nan
    true = prediction.targets[:, None]
    own = np.take_along_axis(prediction.probabilities, true, axis=1)
    earlier = np.arange(prediction.num_classes) < true
    ahead = (prediction.probabilities > own) | ((prediction.probabilities == own) & earlier)
    return float((ahead.sum(axis=1) < TOP).mean())
