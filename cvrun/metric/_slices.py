"""The predictions of each part of a split that has one value in common, such as a site or a scanner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cvrun.interval import wilson
from cvrun.metric import Prediction
from cvrun.metric._table import macro

LEAST = 10
"""[images] Below this a slice says nothing, and might say who is in it."""


def slices(prediction: Prediction, values: Sequence[str], least: int = LEAST) -> dict[str, Any]:
    """Give accuracy and balanced accuracy for each value, and how much is hidden.

    Args:
        prediction: Of a split.
        values: Of each image, in the order of prediction.
        least: [images] Of a value that is shown.

    Returns:
        `slices`: a row for each value that is shown, in the order of the values: value, images, correct, accuracy,
        low and high (Wilson's 95% interval of it, which takes the images for independent), and balanced_accuracy, the
        mean recall of the classes that the slice has. `hidden`: the number of other values, and their images together.
        The images of both add up to all images.
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
        rows.append(
            {
                "value": value,
                "images": len(inside),
                "correct": correct,
                "accuracy": correct / len(inside),
                "low": low,
                "high": high,
                "balanced_accuracy": None if math.isnan(balanced) else balanced,
            }
        )
    return {"slices": rows, "hidden": hidden}
