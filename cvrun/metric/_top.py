"""Whether the true class is among the most probable ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import weighted_mean


def top_accuracy(top: int, prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the share of images with a hit among the top classes, float64 (R,); NaN with fewer classes than that."""
    if prediction.num_classes < top:
        return np.full(len(weights), np.nan)
    return weighted_mean(_hits(top, prediction).astype(np.float64), weights)


def _hits(top: int, prediction: Prediction) -> NDArray[np.bool_]:
    """Give whether each image is a hit, (N,); among equal probabilities the lower class index comes first."""
    true = prediction.targets[:, None]
    own = np.take_along_axis(prediction.probabilities, true, axis=1)
    hits: NDArray[np.bool_] = (prediction.probabilities >= own).sum(axis=1) <= top
    # For most images that settles it; of the others some may be hits by a tie.
    rows = np.flatnonzero(~hits)
    others, own = prediction.probabilities[rows], own[rows]
    ahead = (others > own).sum(axis=1)
    tied = np.flatnonzero(ahead < top)
    earlier = np.arange(prediction.num_classes) < true[rows[tied]]
    ahead[tied] += ((others[tied] == own[tied]) & earlier).sum(axis=1)
    hits[rows] = ahead < top
    return hits
