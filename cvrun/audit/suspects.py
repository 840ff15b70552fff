"""Labels that may be wrong: those that models which were not trained on them find least likely.

The order is that of the loss -log p(label) of each validation image. Over the runs of a k-fold every image is a
validation image once, so that no model has seen the label that it is asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.errors import DataError

LEAST = 1e-12
"""Probability that counts instead of a smaller one: the losses of several runs are to have a mean."""

_ARRAYS = ("ids", "targets", "probabilities", "classes")

_Array = NDArray[Any]


@dataclass(frozen=True)
class Predicted:
    """What a run predicted for its validation images.

    Attributes:
        path: The file.
        ids: Names of the images.
        labels: Class of each, int64 (N,).
        probabilities: float (N, K).
        classes: Names.
    """

    path: Path
    ids: list[str]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    classes: list[str]


@dataclass(frozen=True)
class Suspect:
    """A label that may be wrong.

    Attributes:
        name: Of the image.
        label: Its class, as the data says.
        likeliest: The class with the highest probability; the mean over runs, where there are several.
        probability: Of label.
        loss: -log p(label), the mean over runs.
        runs: That have the image in their validation part.
    """

    name: str
    label: str
    likeliest: str
    probability: float
    loss: float
    runs: int


def read(path: Path, several: bool | None = False) -> Predicted:
    """Give the predictions in a file that a run wrote.

    Args:
        path: The file.
        several: Whether images are to have any number of labels, labels then being 0 or 1, int64 (N, K); None: either.

    Raises:
        DataError: If there is none, it is damaged, or several is not as it is to be.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            ids, labels, probabilities, classes = (arrays[name] for name in _ARRAYS)
    except FileNotFoundError as error:
        message = f"{path}: not there, expected the predictions of a run that was evaluated"
        raise DataError(message, "cvrun eval RUN writes them") from error
    except Exception as error:
        # What numpy says may advise to open a file that can then run code.
        reason = f"no array {error}" if isinstance(error, KeyError) else type(error).__name__
        raise _damaged(path, reason) from error
    found = labels.ndim == 2 and labels.shape == probabilities.shape
    if several is not None and found != several:
        if not found:
            raise _damaged(path, "no 0 or 1 for each label")
        message = f"{path}: predictions of any number of labels an image (task=multilabel)"
        raise DataError(f"{message}, expected those of one class an image (task=classification)")
    if fault := _fault(ids, labels, probabilities, classes):
        raise _damaged(path, fault)
    labels, probabilities = labels.astype(np.int64), probabilities.astype(np.float64)
    return Predicted(path, ids.tolist(), labels, probabilities, classes.tolist())


def _fault(ids: _Array, labels: _Array, probabilities: _Array, classes: _Array) -> str:
    """Give what is wrong with arrays of a file; nothing where they are predictions."""
    if ids.dtype.kind != "U" or classes.dtype.kind != "U":
        return "ids and classes are not text"
    if labels.dtype.kind not in "iu" or probabilities.dtype.kind != "f":
        return "targets are not whole numbers, or probabilities no floats"
    shape = (*ids.shape, *classes.shape)
    several = labels.ndim == 2
    if ids.ndim != 1 or len(ids) == 0 or probabilities.shape != shape:
        return "shapes do not fit"
    if labels.shape != (shape if several else ids.shape):
        return "shapes do not fit"
    if labels.min() < 0 or labels.max() >= (2 if several else shape[1]):
        return "targets beyond the classes"
    return "" if np.isfinite(probabilities).all() else "its rows are no probabilities"


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path}: damaged ({reason}), expected predictions", "cvrun eval RUN writes them")


def rank(predictions: Sequence[Predicted]) -> list[Suspect]:
    """Give all labels, the least likely first; of an image in several runs the mean counts.

    Raises:
        DataError: If two of them have other classes, or another label for an image.
    """
    first = predictions[0]
    rows: dict[str, list[tuple[Predicted, int]]] = {}
    for one in predictions:
        if one.classes != first.classes:
            message = f"{one.path}: classes {', '.join(one.classes)}, expected those of {first.path}"
            raise DataError(f"{message} ({', '.join(first.classes)})", "give the runs of one data set")
        for row, name in enumerate(one.ids):
            rows.setdefault(name, []).append((one, row))
    found = []
    for name, seen in rows.items():
        one, row = seen[0]
        label = int(one.labels[row])
        for other, place in seen[1:]:
            if other.labels[place] != label:
                there = first.classes[int(other.labels[place])]
                message = f"{other.path}: '{name}' is {there}, in {one.path} it is {first.classes[label]}"
                raise DataError(f"{message}, expected one label", "give runs with the same labels")
        mean = np.mean([other.probabilities[place] for other, place in seen], axis=0)
        losses = [-np.log(max(float(other.probabilities[place, label]), LEAST)) for other, place in seen]
        likeliest = first.classes[int(mean.argmax())]
        found.append(
            Suspect(name, first.classes[label], likeliest, float(mean[label]), float(np.mean(losses)), len(seen))
        )
    return sorted(found, key=lambda one: -one.loss)
