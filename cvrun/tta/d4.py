"""Predicts the image in all eight orientations: four rotations, each with and without a flip.

They are the symmetries of the square (the dihedral group of order 8). An image that is not square changes its shape
under a quarter turn, which the model has to accept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cvrun.errors import one_of
from cvrun.tta import MERGES, TTA, View


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
    return TTA(tuple(_view(turns, flipped) for flipped in (False, True) for turns in range(4)), config.merge)


def _view(turns: int, flipped: bool) -> View:
    def forward(image: Tensor) -> Tensor:
        turned = torch.rot90(image, turns, (-2, -1))
        return turned.flip(-1) if flipped else turned

    def inverse(dense: Tensor) -> Tensor:
        unflipped = dense.flip(-1) if flipped else dense
        return torch.rot90(unflipped, -turns, (-2, -1))

    return View(f"rot{90 * turns}" + ("_hflip" if flipped else ""), forward, inverse)
