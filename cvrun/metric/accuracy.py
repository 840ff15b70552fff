"""Share of the images whose most probable class is the true one."""

from __future__ import annotations

import math

from cvrun.metric import Prediction

MODE = "max"
MIN_CLASSES = 1


def compute(prediction: Prediction) -> float:
    """Give the share, in [0, 1]; NaN without images."""
    hits = prediction.labels == prediction.targets
    return float(hits.mean()) if len(hits) else math.nan
