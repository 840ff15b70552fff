"""The predictions of each part of a split that has one value in common, such as a site or a scanner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cvrun.interval import wilson
from cvrun.metric import Metric, Prediction
from cvrun.metric._table import macro, or_none

LEAST = 10
"""[images] Below this a slice says nothing, and might say who is in it."""


def slices(
    prediction: Prediction, values: Sequence[str], least: int = LEAST, metrics: Sequence[Metric] = ()
) -> dict[str, Any]:
    """Give accuracy, balanced accuracy and other metrics for each value, the worst value, and how much is hidden.

    Args:
        prediction: Of a split.
        values: Of each image, in the order of prediction.
        least: [images] Of a value that is shown.
        metrics: What else is measured, each by its name; None where undefined.

    Returns:
        `slices`: a row for each value that is shown, in the order of the values: value, images, correct, accuracy,
        low and high (Wilson's 95% interval of it, which takes the images for independent), and balanced_accuracy, the
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
        correct = int(np.count_nonzero(part.labels == part.targets))
        low, high = wilson(correct, len(inside))
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


def _worst(rows: Sequence[dict[str, Any]], name: str, mode: str) -> dict[str, Any] | None:
    known = [row for row in rows if row[name] is not None]
    if not known:
        return None
    row = (min if mode == "max" else max)(known, key=lambda row: row[name])
    return {"value": row["value"], name: row[name]}
