"""Labels that may be wrong: those that models which were not trained on them find least likely.

The order is that of the loss -log p(label) of each validation image. Over the runs of a k-fold every image is a
validation image once, so that no model has seen the label that it is asked about.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvrun.errors import DataError

LEAST = 1e-12
"""Probability that counts instead of a smaller one: the losses of several runs are to have a mean."""


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


def read(path: Path) -> Predicted:
    """Give the predictions in a file that a run wrote.

    Raises:
        DataError: If there is none, or it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            ids, labels = file["ids"], file["targets"]
            probabilities, classes = file["probabilities"].astype(np.float64), file["classes"]
    except FileNotFoundError as error:
        message = f"{path}: not there, expected the predictions of a run that was evaluated"
        raise DataError(message, "cvrun eval RUN writes them") from error
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged ({error}), expected predictions", "cvrun eval RUN writes them") from error
    if labels.ndim == 2 and labels.shape == probabilities.shape:
        message = f"{path}: predictions of any number of labels an image (task=multilabel)"
        raise DataError(f"{message}, expected those of one class an image (task=classification)")
    shape = (*ids.shape, *classes.shape)
    fits = (
        ids.ndim == 1
        and labels.shape == ids.shape
        and probabilities.shape == shape
        and np.issubdtype(labels.dtype, np.integer)
    )
    if not fits or len(ids) == 0 or labels.min() < 0 or labels.max() >= shape[1]:
        raise DataError(f"{path}: damaged (shapes do not fit), expected predictions", "cvrun eval RUN writes them")
    return Predicted(path, ids.tolist(), labels.astype(np.int64), probabilities, classes.tolist())


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
