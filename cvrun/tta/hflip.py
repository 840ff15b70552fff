"""Predicts the image and its mirror image (left and right exchanged)."""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.errors import one_of
from cvrun.tta import MERGES, TTA
from cvrun.tta._oriented import oriented


@dataclass(frozen=True)
class Config:
    """Keys of `tta=hflip`.

    Attributes:
        merge: How the two predictions become one; one of cvrun.tta.MERGES.
    """

    merge: str

    def __post_init__(self) -> None:
        """Check the merge."""
        one_of("merge", self.merge, MERGES)


def build(config: Config) -> TTA:
    """Give the two views."""
    return TTA((oriented(0, flipped=False), oriented(0, flipped=True)), config.merge)
