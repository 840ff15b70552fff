"""The same learning rate from the end of the warmup to the end of the run."""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.duration import Duration
from cvrun.scheduler import Schedule, Span, check


@dataclass(frozen=True)
class Config:
    """Keys of `scheduler=constant`.

    Attributes:
        warmup: Duration of the linear warmup: [epochs] 5ep, [steps] 500st, [percent of the run] 5%.
        warmup_start: Factor of the learning rate at the first step of the warmup, in [0, 1].
    """

    warmup: Duration
    warmup_start: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


def build(config: Config, span: Span) -> Schedule:
    """Give the schedule over span."""
    return Schedule(span, config.warmup_start, lambda step: 1.0)
