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
    hits = (prediction.probabilities >= own).sum(axis=1) <= TOP
    # For most images that settles it; of the others some may be hits by a tie.
    rows = np.flatnonzero(~hits)
    others, own = prediction.probabilities[rows], own[rows]
    ahead = (others > own).sum(axis=1)
    tied = np.flatnonzero(ahead < TOP)
    earlier = np.arange(prediction.num_classes) < true[rows[tied]]
    ahead[tied] += ((others[tied] == own[tied]) & earlier).sum(axis=1)
    hits[rows] = ahead < TOP
    return float(hits.mean())
