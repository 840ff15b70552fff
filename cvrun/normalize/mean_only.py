"""The mean taken away, of the training images or as given; the spread stays.

VGG's own weights want the levels 0 to 255 without ImageNet's mean: `normalize=vgg_mean`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cvrun.errors import one_of, require
from cvrun.normalize import Source, for_channels
from cvrun.normalize._affine import Affine
from cvrun.normalize._by_image import SCOPES
from cvrun.normalize._histogram import fitted, mean_and_std


@dataclass(frozen=True)
class Config:
    """Keys of the mean.

    Attributes:
        mean: "fit", or numbers on the scale 0 to 255: one a channel, or three for RGB; grey images get their mean.
        scope: channel: a mean for each channel; global: one for all.
        output_range: What lies between the results of 0 and 255: 1, or 255 for levels as they are.
    """

    mean: tuple[float, ...] | Annotated[str, "fit"]
    scope: str
    output_range: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        one_of("scope", self.scope, SCOPES)
        require(0 < self.output_range <= 65535, "output_range", self.output_range, "0 < output_range <= 65535")
        if isinstance(self.mean, str):
            one_of("mean", self.mean, ("fit",))
            return
        numbers = bool(self.mean) and all(0 <= value <= 255 for value in self.mean)
        require(numbers, "mean", list(self.mean), "fit, or numbers from 0 to 255, one a channel")
        one = self.scope == "channel" or len(self.mean) == 1
        require(one, "mean", list(self.mean), "one number", "normalize.scope=channel takes one a channel")


def build(config: Config, source: Source) -> Affine:
    """Give the normalization.

    Raises:
        RuleError: If as many numbers are given as no image has channels.
    """
    divisor = 1 / config.output_range
    if isinstance(config.mean, str):
        mean, _ = mean_and_std(fitted(source, config.scope))
        return Affine(mean, (divisor,) * len(mean))
    given = tuple(value / 255 for value in config.mean)
    if config.scope == "global":
        return Affine(given, (divisor,))
    num = source.channels
    fits = len(given) == num or (len(given), num) == (3, 1)
    hint = "normalize.scope=global takes one for all"
    require(fits, "mean", list(config.mean), f"{num} number{'s' * (num > 1)}, one a channel of the images", hint)
    return for_channels(given, (divisor,) * len(given), num)
