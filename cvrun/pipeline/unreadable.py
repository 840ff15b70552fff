"""Images that cannot be used: the error, and where the user lets some of training be left out, who they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cvrun.cells import reasons_table
from cvrun.data import Manifest
from cvrun.errors import DataError
from cvrun.pipeline.decode import ImageError
from cvrun.split import Split, checked

NAMED = 3
"""[files] that a message names; it counts the others."""


@dataclass(frozen=True)
class LeftOut:
    """The training images that are left out.

    Attributes:
        reasons: Id of the image -> why, in the order of the training part.
        total: Training images with them.
    """

    reasons: dict[str, str]
    total: int

    def warning(self) -> str:
        """Give the line for the user."""
        names = list(self.reasons)
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        count = f"{len(names):,} of {self.total:,} training images cannot be used and are left out"
        return f"{count}, see unreadable.csv: {', '.join(names[:NAMED])}{more}"

    def to_csv(self) -> bytes:
        """Give the content of unreadable.csv."""
        return reasons_table(self.reasons.items())


def cannot_be_used(manifest: Manifest, bad: Mapping[int, ImageError], count: str) -> DataError:
    """Give the error for images that cannot be used: the first with its reason, the names of some, and a count."""
    also = ", ".join(manifest.ids[i] for i in list(bad)[1:NAMED])
    return DataError(str(next(iter(bad.values()))), f"also {also}; {count}" if also else count)


def allowance(share: float, total: int) -> int:
    """Give how many of total training images may be left out."""
    # 0.29 of 100 is a little less than 29 in binary.
    return math.floor(share * total + 1e-9)


def leave_out(manifest: Manifest, split: Split, bad: Mapping[int, ImageError], share: float) -> tuple[Split, LeftOut]:
    """Take images out of the training part.

    Args:
        manifest: What the positions refer to.
        split: Of all images.
        bad: Position -> error of those that cannot be used, all of the training part.
        share: Of the training images that may be among them.

    Returns:
        The split of the others, and who is left out.

    Raises:
        DataError: If they are more than share, or the others cannot be trained on.
    """
    total = len(split.train)
    reasons = {manifest.ids[i]: error.reason for i, error in bad.items()}
    allowed = allowance(share, total)
    if len(bad) > allowed:
        count = f"{len(bad)} of {total} training images cannot be used, skip_unreadable={share:g} allows {allowed}"
        raise cannot_be_used(manifest, bad, count)
    left = split.train[~np.isin(split.train, list(bad))]
    return checked(manifest, replace(split, train=left)), LeftOut(reasons, total)
