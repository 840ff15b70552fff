"""Images with any number of labels: those of an image are a set, and each set that occurs is a class of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvrun.errors import DataError, did_you_mean

NONE = "(no label)"
"""What the set without a label is called."""


@dataclass(frozen=True)
class LabelSets:
    """What the classes of a manifest are sets of.

    Attributes:
        names: Of the labels, in order, (K,): what a model predicts, each by itself.
        members: Which labels each class of the manifest has, uint8 (S, K), 0 or 1.
    """

    names: tuple[str, ...]
    members: NDArray[np.uint8]

    def among(self, names: tuple[str, ...], where: str) -> LabelSets:
        """Give the same sets among other labels, those of a model.

        Raises:
            DataError: If a label that occurs is not among names.
        """
        used = self.members.sum(axis=0) > 0
        strange = [name for name, there in zip(self.names, used, strict=True) if there and name not in names]
        if strange:
            fact = f"class '{strange[0]}' is unknown to the model ({len(strange)} such)"
            raise DataError(f"{where}: {fact}, expected {', '.join(names)}", did_you_mean(strange[0], names))
        members = np.zeros((len(self.members), len(names)), dtype=np.uint8)
        for k, name in enumerate(self.names):
            if name in names:
                members[:, names.index(name)] = self.members[:, k]
        return LabelSets(names, members)

    def rarest(self, classes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the rarest label of each image, int64 (N,), the first of equally rare ones; K where it has none.

        Args:
            classes: Of the images, int64 (N,), among which labels are counted.
        """
        own = self.members[classes].astype(np.float64)
        counts = own.sum(axis=0)
        found = np.where(own > 0, counts, np.inf).argmin(axis=1).astype(np.int64)
        return np.where(own.any(axis=1), found, len(self.names))


def split_labels(value: str, separator: str, wanted: Sequence[str] | None) -> tuple[tuple[str, ...], str, str]:
    """Give the labels in a cell, and what was expected instead with a hint where the cell has a defect, else "".

    Args:
        value: The cell; empty: no label.
        separator: Between labels; space around them is left out.
        wanted: What a label may be; None: anything.
    """
    labels = tuple(part.strip() for part in value.split(separator)) if value.strip() else ()
    if "" in labels:
        return labels, f"a label before and behind each '{separator}'", ""
    if len(set(labels)) < len(labels):
        return labels, "each label once", ""
    if "nan" in (label.lower() for label in labels):
        return labels, "labels (nan is what an empty cell becomes)", "an empty cell is an image without a label"
    for label in labels:
        if wanted is not None and label not in wanted:
            return labels, f"labels of data.classes ({', '.join(wanted)})", did_you_mean(label, wanted)
    return labels, "", ""


def label_sets(
    images: Sequence[Sequence[str]], names: Sequence[str], separator: str
) -> tuple[NDArray[np.int64], tuple[str, ...], LabelSets]:
    """Give the set of each image, int64 (N,), the names of the sets, (S,), and what they hold; smaller sets first.

    Args:
        images: The labels of each.
        names: Of the labels, in order; each label is among them.
        separator: Between labels in the name of a set.
    """
    index = {name: k for k, name in enumerate(names)}
    own = [tuple(sorted(index[label] for label in labels)) for labels in images]
    order = sorted(set(own), key=lambda members: (len(members), members))
    number = {members: s for s, members in enumerate(order)}
    matrix = np.zeros((len(order), len(names)), dtype=np.uint8)
    for s, members in enumerate(order):
        matrix[s, list(members)] = 1
    called = tuple(separator.join(names[k] for k in members) or NONE for members in order)
    labels = np.array([number[members] for members in own], dtype=np.int64)
    return labels, called, LabelSets(tuple(names), matrix)
