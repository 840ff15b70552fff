"""The same factor every epoch, spread evenly over the epoch's steps.

With s steps since the end of the warmup: factor ** (s / steps per epoch), so a whole epoch multiplies the learning
rate by factor.
"""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.duration import Duration
from cvrun.errors import require
from cvrun.scheduler import Schedule, Span, check


@dataclass(frozen=True)
class Config:
    """Keys of `scheduler=exponential`.

    Attributes:
        factor: Factor of the learning rate an epoch, in (0, 1).
        warmup: Duration of the linear warmup: [epochs] 5ep, [steps] 500st, [percent of the run] 5%.
        warmup_start: Factor of the learning rate at the first step of the warmup, in [0, 1].
    """

    factor: float
    warmup: Duration
    warmup_start: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        require(0 < self.factor < 1, "factor", self.factor, "0 < factor < 1")


def build(config: Config, span: Span) -> Schedule:
    """Give the schedule over span."""

    def decay(step: int) -> float:
        return float(config.factor ** (step / span.steps_per_epoch))

    return Schedule(span, config.warmup_start, decay)
