"""Mean 0 and standard deviation 1, over the training images alone: of each channel, of all together, or of each image.

The result is not bounded and its distribution keeps its shape. What is fitted is exact: sums of integers, divided once.
"""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.errors import one_of
from cvrun.normalize import Normalization, Source
from cvrun.normalize._affine import Affine
from cvrun.normalize._by_image import EPS, ByImage
from cvrun.normalize._histogram import fitted, mean_and_std


@dataclass(frozen=True)
class Config:
    """Keys of the statistics.

    Attributes:
        scope: channel: a pair for each channel; global: one for all; image: each image's own, as per_image does.
    """

    scope: str

    def __post_init__(self) -> None:
        """Check the range."""
        one_of("scope", self.scope, ("channel", "global", "image"))


def build(config: Config, source: Source) -> Normalization:
    """Give the normalization by mean and population standard deviation; a constant channel is only shifted."""
    if config.scope == "image":
        return ByImage("global", EPS)
    return Affine(*mean_and_std(fitted(source, config.scope)))
