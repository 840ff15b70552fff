"""A decision between two classes at a threshold: how often it is right, and what that is worth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def at_threshold(scores: NDArray[np.floating[Any]], truth: NDArray[np.bool_], threshold: float) -> dict[str, Any]:
    """Give what becomes of the images if all with a score of at least threshold are called positive.

    Args:
        scores: Of the positive class, (N,).
        truth: Whether each image is of that class, (N,).
        threshold: In the units of scores; 0.5 of a probability is 0 of a logit.

    Returns:
        tp, fp, fn and tn [images], and what rates gives of them.
    """
    called = scores >= threshold
    tp, fp = int(np.count_nonzero(called & truth)), int(np.count_nonzero(called & ~truth))
    fn, tn = int(np.count_nonzero(~called & truth)), int(np.count_nonzero(~called & ~truth))
    return {"tp": tp, "fp": fp, "fn": fn, "tn": tn, **rates(tp, fp, fn, tn)}


def rates(tp: float, fp: float, fn: float, tn: float) -> dict[str, float | None]:
    """Give the rates of a table of four numbers of images, each >= 0; None where undefined.

    sensitivity TP / (TP + FN), specificity TN / (TN + FP), ppv TP / (TP + FP), npv TN / (TN + FN), fpr FP / (FP + TN),
    fnr FN / (FN + TP), accuracy, balanced_accuracy (mean of the first two), f1, f2, f05, mcc (0 where a margin is
    empty), youden (sensitivity + specificity - 1), lr_positive sensitivity / fpr, lr_negative fnr / specificity.
    """
    positives, negatives, called, total = tp + fn, fp + tn, tp + fp, tp + fp + fn + tn
    sensitivity, specificity = _share(tp, positives), _share(tn, negatives)
    both = None if sensitivity is None or specificity is None else sensitivity + specificity
    margins = math.sqrt(positives) * math.sqrt(negatives) * math.sqrt(called) * math.sqrt(total - called)
    mcc = (tp * tn - fp * fn) / margins if margins else 0.0
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": _share(tp, called),
        "npv": _share(tn, total - called),
        "fpr": _share(fp, negatives),
        "fnr": _share(fn, positives),
        "accuracy": _share(tp + tn, total),
        "balanced_accuracy": None if both is None else both / 2,
        "f1": _share(2 * tp, 2 * tp + fp + fn),
        "f2": _share(5 * tp, 5 * tp + 4 * fn + fp),
        "f05": _share(5 * tp, 5 * tp + fn + 4 * fp),
        "mcc": mcc if total else None,
        "youden": None if both is None else both - 1,
        "lr_positive": _share(tp * negatives, fp * positives),
        "lr_negative": _share(fn * negatives, tn * positives),
    }


def _share(above: float, below: float) -> float | None:
    return above / below if below else None
