"""Predicts the image and its mirror image (left and right exchanged)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cvrun.errors import one_of
from cvrun.tta import MERGES, TTA, View


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
    return TTA((View("plain", _same, _same), View("hflip", _mirror, _mirror)), config.merge)


def _same(image: Tensor) -> Tensor:
    return image


def _mirror(image: Tensor) -> Tensor:
    return image.flip(-1)
