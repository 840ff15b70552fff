"""A power of the remaining part of the run, from the peak down to min_factor at the last update.

With progress p that is 1 at the last update: factor = min_factor + (1 - min_factor) * (1 - p) ** power; power 1 is a
straight line, 0.9 the "poly" rule of semantic segmentation (Chen et al. 2018, DeepLab, section 4.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cvrun.duration import Duration
from cvrun.errors import require
from cvrun.scheduler import Schedule, Span, check


@dataclass(frozen=True)
class Config:
    """Keys of `scheduler=polynomial`.

    Attributes:
        power: Exponent, > 0.
        min_factor: Factor of the learning rate at the last update, in [0, 1).
        warmup: Duration of the linear warmup: [epochs] 5ep, [steps] 500st, [percent of the run] 5%.
        warmup_start: Factor of the learning rate at the first step of the warmup, in [0, 1].
    """

    power: float
    min_factor: float
    warmup: Duration
    warmup_start: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        require(math.isfinite(self.power) and self.power > 0, "power", self.power, "power > 0")
        require(0 <= self.min_factor < 1, "min_factor", self.min_factor, "0 <= min_factor < 1")


def build(config: Config, span: Span) -> Schedule:
    """Give the schedule over span."""
    low = config.min_factor

    def decay(step: int) -> float:
        remaining: float = (1.0 - span.progress(step)) ** config.power
        return low + (1.0 - low) * remaining

    return Schedule(span, config.warmup_start, decay)
