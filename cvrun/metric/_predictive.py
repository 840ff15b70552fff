"""Predictive values where a class is as frequent as it really is, which a data set seldom shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.interval import rate
from cvrun.metric import Prediction
from cvrun.metric._table import confusion_matrix


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float | None, float | None]:
    """Give the positive and the negative predictive value by Bayes' theorem; None where nobody would be called so.

    PPV = se p / (se p + (1 - sp) (1 - p)), NPV = sp (1 - p) / (sp (1 - p) + (1 - se) p).

    Source: D. G. Altman and J. M. Bland, Diagnostic tests 2: predictive values, BMJ 309 (1994) 102.

    Args:
        sensitivity: se, in [0, 1].
        specificity: sp, in [0, 1].
        prevalence: p, in [0, 1].
    """
    true, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    negative, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    ppv = true / (true + false) if true + false > 0 else None
    npv = negative / (negative + missed) if negative + missed > 0 else None
    return ppv, npv


def at_prevalence(
    prediction: Prediction,
    classes: Sequence[str],
    prevalences: Mapping[int, float],
    clusters: NDArray[np.int64] | None = None,
) -> list[dict[str, Any]]:
    """Give the predictive values of classes, each against the rest, at prevalences.

    Sensitivity and specificity are those of the split. The latter is over its mix of the other classes, which is taken
    for the real one.

    Args:
        prediction: Of a split.
        classes: Names.
        prevalences: Class index -> its prevalence, in [0, 1].
        clusters: Number of the group of each image, int64 (N,); None: images are independent.

    Returns:
        For each: class, prevalence, sensitivity and specificity, with the 95% intervals of `interval.rate` as
        sensitivity_interval and specificity_interval, ppv and npv; None where undefined.
    """
    matrix = confusion_matrix(prediction)
    total = int(matrix.sum())
    rows = []
    for k, prevalence in prevalences.items():
        hits, support, called = int(matrix[k, k]), int(matrix[k].sum()), int(matrix[:, k].sum())
        rest = total - support
        rejected = rest - (called - hits)
        called_so, own = prediction.labels == k, prediction.targets == k
        measured = support > 0 and rest > 0
        found = predictive_values(hits / support, rejected / rest, prevalence) if measured else (None, None)
        rows.append(
            {
                "class": classes[k],
                "prevalence": prevalence,
                "sensitivity": hits / support if support else None,
                "sensitivity_interval": list(rate(called_so, own, clusters)),
                "specificity": rejected / rest if rest else None,
                "specificity_interval": list(rate(~called_so, ~own, clusters)),
                "ppv": found[0],
                "npv": found[1],
            }
        )
    return rows
