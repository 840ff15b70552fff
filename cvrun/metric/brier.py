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
    away = prediction.probabilities.astype(np.float64)
    away[np.arange(len(away)), prediction.targets] -= 1.0
    each = np.einsum("nk,nk->n", away, away)
    return weighted_mean(each / 2 if prediction.num_classes == 2 else each, weights)
