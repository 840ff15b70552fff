"""Mean 0 and standard deviation 1 of each image by itself: what lighting or a stain does to all of it is taken away."""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.errors import one_of
from cvrun.normalize import Source
from cvrun.normalize._by_image import SCOPES, ByImage, require_eps


@dataclass(frozen=True)
class Config:
    """Keys of the statistics.

    Attributes:
        scope: global: one mean and std for the image, which keeps its colours; channel: a pair for each channel.
        eps: Smallest standard deviation that is divided by, on the scale [0, 1]; a constant image gives zeros.
    """

    scope: str
    eps: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        one_of("scope", self.scope, SCOPES)
        require_eps(self.eps)


def build(config: Config, source: Source) -> ByImage:
    """Give the normalization; nothing is fitted."""
    return ByImage(config.scope, config.eps)
