"""A cut by the same factor at regular intervals.

The interval is counted on the clock of the run: with every=30ep the cuts are at epochs 30, 60, 90, ..., whatever the
warmup.
"""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.duration import Duration, parse
from cvrun.errors import require
from cvrun.scheduler import Schedule, Span, check, run_steps


@dataclass(frozen=True)
class Config:
    """Keys of `scheduler=step`.

    Attributes:
        every: Duration between two cuts: [epochs] 30ep, [steps] 500st, [percent of the run] 30%.
        factor: Factor of the learning rate at each cut, in (0, 1).
        warmup: Duration of the linear warmup: [epochs] 5ep, [steps] 500st, [percent of the run] 5%.
        warmup_start: Factor of the learning rate at the first step of the warmup, in [0, 1].
    """

    every: Duration
    factor: float
    warmup: Duration
    warmup_start: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        require(parse(self.every, "every")[0] > 0, "every", self.every, "a duration above 0")
        require(0 < self.factor < 1, "factor", self.factor, "0 < factor < 1")


def build(config: Config, span: Span) -> Schedule:
    """Give the schedule over span.

    Raises:
        RuleError: If the first cut would come before the end of the warmup.
    """
    every = run_steps(config.every, "every", span)

    def decay(step: int) -> float:
        return float(config.factor ** ((span.warmup + step) // every))

    return Schedule(span, config.warmup_start, decay)
