"""What a manifest says for a model and for a split, where an image has one class and where it has any number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.data import Manifest
from cvrun.data._sets import NONE

LEAST = 5
"""[images] of a kind, below which they count as of the largest one: there is nothing to share out."""


def targets_of(manifest: Manifest, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Give the class of each image, int64 (N,), or which labels it has, uint8 (N, K)."""
    labels = manifest.labels[rows]
    return labels if manifest.sets is None else manifest.sets.members[labels]


def with_label(manifest: Manifest, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the number of images that have each label, int64 (K,); where each has one, that of each class."""
    counts = manifest.counts(rows)
    return counts if manifest.sets is None else counts @ manifest.sets.members.astype(np.int64)


def kinds_of(manifest: Manifest) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Give what a split keeps the shares of: the class of each image, int64 (N,), and the names of the classes.

    Of images with any number of labels it is the rarest label of each: there are too many sets, and most are too rare,
    to share out each of them.
    """
    if manifest.sets is None:
        return manifest.labels, manifest.classes
    kinds, names = manifest.sets.rarest(manifest.labels), (*manifest.sets.names, NONE)
    counts = np.bincount(kinds, minlength=len(names))
    scarce = (counts < LEAST)[kinds]
    return np.where(scarce, counts.argmax(), kinds), names


def kind_counts(manifest: Manifest, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the number of images of each kind among rows, int64."""
    kinds, names = kinds_of(manifest)
    return np.bincount(kinds[rows], minlength=len(names)).astype(np.int64)
