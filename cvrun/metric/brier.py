"""Brier score: squared distance of the probabilities from the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import weighted_mean

MODE = "min"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean of sum_k (p_k - y_k)^2, in [0, 2]; of two classes half of it, the usual (p - y)^2, in [0, 1].

    Source: G. W. Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950),
    page 1, equation 2; the half is the convention of scikit-learn's brier_score_loss.
    """
    said = prediction.probabilities
    true = said[np.arange(len(said)), prediction.targets].astype(np.float64)
    # (p - 1)^2 is p^2 - 2 p + 1: the probabilities need no copy in float64.
    each = np.einsum("nk,nk->n", said, said, dtype=np.float64) - 2 * true + 1
    return weighted_mean(each / 2 if prediction.num_classes == 2 else each, weights)
