"""A range of levels brought to 0 to 1: from the lowest to the highest of the training images, or as given.

A fitted range is that of the training images, so other images may lie outside, and one outlier squeezes all the rest:
`clip` bounds the first, percentiles such as `low=1% high=99%` the second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from cvrun.errors import RuleError, one_of, require
from cvrun.normalize import Source
from cvrun.normalize._affine import Range, listed
from cvrun.normalize._by_image import SCOPES
from cvrun.normalize._histogram import fitted, quantile

End = float | Annotated[str, "fit, or a percentile such as 1%"]


@dataclass(frozen=True)
class Config:
    """Keys of the range.

    Attributes:
        low: What becomes 0: a number on the scale 0 to 255, "fit" for the lowest level, or a percentile such as "1%".
        high: What becomes 1, likewise; "fit" for the highest level.
        scope: channel: a range for each channel; global: one for all.
        clip: Whether what lies outside becomes 0 or 1.
    """

    low: End
    high: End
    scope: str
    clip: bool

    def __post_init__(self) -> None:
        """Check the ranges."""
        one_of("scope", self.scope, SCOPES)
        low, high = _share("low", self.low, 0.0), _share("high", self.high, 1.0)
        if isinstance(self.low, float) and isinstance(self.high, float):
            require(self.low < self.high, "low", self.low, f"a number below high, which is {self.high}")
        if low is not None and high is not None:
            require(low < high, "low", self.low, f"less than high, which is {self.high}")


def build(config: Config, source: Source) -> Range:
    """Give the normalization; a channel of one level is only shifted.

    Raises:
        RuleError: If a number does not fit what the other end is fitted to, or percentiles of a channel that has
            several levels are one level.
    """
    shares = _share("low", config.low, 0.0), _share("high", config.high, 1.0)
    counts = None if shares == (None, None) else fitted(source, config.scope)
    low, high = (_levels(end, share, counts) for end, share in zip((config.low, config.high), shares, strict=True))
    if isinstance(config.low, float) != isinstance(config.high, float):
        key = "low" if isinstance(config.low, float) else "high"
        fits = all(a < b for a, b in zip(low, high, strict=True))
        rule = f"less than high, which is {listed(high, 2)}" if key == "low" else f"more than low, {listed(low, 2)}"
        require(fits, key, getattr(config, key), rule)
    elif counts is not None:
        _require_apart(config, low, high, counts)
    return Range(low, high, config.clip)


def _require_apart(config: Config, low: tuple[float, ...], high: tuple[float, ...], counts: Tensor) -> None:
    """Raise RuleError where percentiles leave nothing between them although there are other levels."""
    for channel, (a, b) in enumerate(zip(low, high, strict=True)):
        if a < b or int((counts[channel] > 0).sum()) == 1:
            continue
        key = "low" if config.high == "fit" else "high"
        which = f"channel {channel} (the first is 0)" if config.scope == "channel" else "all channels together"
        rule = f"low and high at two levels, but in {which} low={config.low} and high={config.high} are both {a:g}"
        raise RuleError(key, getattr(config, key), rule, "take percentiles further apart, or fit, or a number")


def _share(key: str, end: float | str, fit: float) -> float | None:
    """Give the share of pixels below an end that is fitted, or None for a number."""
    if isinstance(end, float):
        require(0 <= end <= 255, key, end, f"0 <= {key} <= 255, the scale of pixel values")
        return None
    if end == "fit":
        return fit
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)%", end)
    if found is None or float(found[1]) > 100:
        raise RuleError(key, end, "fit, a number from 0 to 255, or a percentile from 0% to 100%")
    return float(found[1]) / 100


def _levels(end: float | str, share: float | None, counts: Tensor | None) -> tuple[float, ...]:
    """Give an end of the range of each row of counts; a number stands for all."""
    if share is None or counts is None:
        return (float(end),) * (1 if counts is None else len(counts))
    return quantile(counts, share)
