"""Predicts the image in all eight orientations: four rotations, each with and without a flip.

They are the symmetries of the square (the dihedral group of order 8). An image that is not square changes its shape
under a quarter turn, which the model has to accept.
"""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.errors import one_of
from cvrun.tta import MERGES, TTA
from cvrun.tta._oriented import oriented


@dataclass(frozen=True)
class Config:
    """Keys of `tta=d4`.

    Attributes:
        merge: How the eight predictions become one; one of cvrun.tta.MERGES.
    """

    merge: str

    def __post_init__(self) -> None:
        """Check the merge."""
        one_of("merge", self.merge, MERGES)


def build(config: Config) -> TTA:
    """Give the eight views; the first is the image as it is."""
    return TTA(tuple(oriented(turns, flipped) for flipped in (False, True) for turns in range(4)), config.merge)
