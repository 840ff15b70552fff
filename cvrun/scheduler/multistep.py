"""A cut by the same factor at each of the given milestones.

Milestones are counted on the clock of the run: 30ep is the start of epoch 30 (epochs count from 0), whatever the
warmup. One that lies after the end of the run is never reached; two that fall on the same step count as two.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from cvrun.duration import Duration, parse
from cvrun.errors import require
from cvrun.scheduler import Schedule, Span, check, run_steps


@dataclass(frozen=True)
class Config:
    """Keys of `scheduler=multistep`.

    Attributes:
        milestones: Durations from the start of the run, at least one: [epochs] 30ep, [steps] 500st, [percent] 30%.
        factor: Factor of the learning rate at each milestone, in (0, 1).
        warmup: Duration of the linear warmup: [epochs] 5ep, [steps] 500st, [percent of the run] 5%.
        warmup_start: Factor of the learning rate at the first step of the warmup, in [0, 1].
    """

    milestones: tuple[Duration, ...]
    factor: float
    warmup: Duration
    warmup_start: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        shown = ", ".join(self.milestones)
        require(len(self.milestones) > 0, "milestones", f"[{shown}]", "at least one duration, such as 30ep")
        require(len(set(self.milestones)) == len(self.milestones), "milestones", f"[{shown}]", "each duration once")
        for milestone in self.milestones:
            require(parse(milestone, "milestones")[0] > 0, "milestones", f"[{shown}]", "durations above 0")
        require(0 < self.factor < 1, "factor", self.factor, "0 < factor < 1")


def build(config: Config, span: Span) -> Schedule:
    """Give the schedule over span.

    Raises:
        RuleError: If a milestone does not lie after the warmup.
    """
    cuts = sorted(run_steps(milestone, "milestones", span) for milestone in config.milestones)

    def decay(step: int) -> float:
        return float(config.factor ** bisect.bisect_right(cuts, span.warmup + step))

    return Schedule(span, config.warmup_start, decay)
