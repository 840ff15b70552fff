"""The predictions of each part of a split that has one value in common, such as a site or a scanner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.interval import rate
from cvrun.metric import Metric, Prediction
from cvrun.metric._table import macro, or_none

LEAST = 10
"""[images] Below this a slice says nothing, and might say who is in it."""


def slices(
    prediction: Prediction,
    values: Sequence[str],
    least: int = LEAST,
    metrics: Sequence[Metric] = (),
    clusters: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Give accuracy, balanced accuracy and other metrics for each value, the worst value, and how much is hidden.

    Args:
        prediction: Of a split.
        values: Of each image, in the order of prediction.
        least: [images] Of a value that is shown.
        metrics: What else is measured, each by its name; None where undefined.
        clusters: Number of the group of each image, int64 (N,); None: images are independent.

    Returns:
        `slices`: a row for each value that is shown, in the order of the values: value, images, correct, accuracy,
        low and high (the 95% interval of it by `interval.rate`; of a value that has one group alone, over the images of
        that group), and balanced_accuracy, the
        mean recall of the classes that the slice has. `hidden`: the number of other values, and their images together.
        The images of both add up to all images. `worst`: for accuracy, balanced_accuracy and each of metrics the value
        that is shown with the worst number, and the number; the first of equal ones, None where there is none.
    """
    found, position = np.unique(np.array(values, dtype=np.str_), return_inverse=True)
    rows: list[dict[str, Any]] = []
    hidden = {"values": 0, "images": 0}
    for number, value in enumerate(found.tolist()):
        inside = np.flatnonzero(position == number)
        if len(inside) < least:
            hidden["values"] += 1
            hidden["images"] += len(inside)
            continue
        part = Prediction(prediction.probabilities[inside], prediction.targets[inside])
        right = part.labels == part.targets
        correct = int(np.count_nonzero(right))
        low, high = rate(right, np.ones_like(right), _within(clusters, inside))
        balanced = float(macro("recall", part, part.once)[0])
        row = {
            "value": value,
            "images": len(inside),
            "correct": correct,
            "accuracy": correct / len(inside),
            "low": low,
            "high": high,
            "balanced_accuracy": or_none(balanced),
        }
        rows.append(row | {metric.name: or_none(metric.compute(part)) for metric in metrics})
    directions = {"accuracy": "max", "balanced_accuracy": "max"} | {metric.name: metric.mode for metric in metrics}
    worst = {name: _worst(rows, name, mode) for name, mode in directions.items()}
    return {"slices": rows, "hidden": hidden, "worst": worst}


def _within(clusters: NDArray[np.int64] | None, inside: NDArray[np.int64]) -> NDArray[np.int64] | None:
    if clusters is None or len(np.unique(clusters[inside])) == 1:
        return None
    return clusters[inside]


def _worst(rows: Sequence[dict[str, Any]], name: str, mode: str) -> dict[str, Any] | None:
    known = [row for row in rows if row[name] is not None]
    if not known:
        return None
    row = (min if mode == "max" else max)(known, key=lambda row: row[name])
    return {"value": row["value"], name: row[name]}
