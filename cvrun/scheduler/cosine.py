"""Half a cosine wave from the peak down to min_factor at the last update.

Source: Loshchilov, Hutter 2017, equation 5, with one cycle and progress p that is 1 at the last update:
factor = min_factor + (1 - min_factor) * (1 + cos(pi * p)) / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cvrun.duration import Duration
from cvrun.errors import require
from cvrun.scheduler import Schedule, Span, check


@dataclass(frozen=True)
class Config:
    """Keys of `scheduler=cosine`.

    Attributes:
        min_factor: Factor of the learning rate at the last update, in [0, 1).
        warmup: Duration of the linear warmup: [epochs] 5ep, [steps] 500st, [percent of the run] 5%.
        warmup_start: Factor of the learning rate at the first step of the warmup, in [0, 1].
    """

    min_factor: float
    warmup: Duration
    warmup_start: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        require(0 <= self.min_factor < 1, "min_factor", self.min_factor, "0 <= min_factor < 1")


def build(config: Config, span: Span) -> Schedule:
    """Give the schedule over span."""
    low = config.min_factor

    def decay(step: int) -> float:
        return low + (1.0 - low) * (1.0 + math.cos(math.pi * span.progress(step))) / 2.0

    return Schedule(span, config.warmup_start, decay)
