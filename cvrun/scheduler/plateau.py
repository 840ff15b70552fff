"""A cut whenever the monitored score has not improved for some evaluations (reduce on plateau).

Patience is counted as in Keras: the cut comes AT the patience-th evaluation without improvement (torch's class with
patience - 1). What counts as an improvement is the monitor's decision, the same for plateau, early stopping and best
checkpoint. Evaluations up to the end of the warmup do not count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cvrun.duration import Duration
from cvrun.errors import require
from cvrun.scheduler import Schedule, Span, check


@dataclass(frozen=True)
class Config:
    """Keys of `scheduler=plateau`.

    Attributes:
        factor: Factor of the learning rate at each cut, in (0, 1).
        patience: Evaluations without improvement that lead to a cut [evaluations], >= 1.
        cooldown: Evaluations after a cut that are ignored [evaluations], >= 0.
        min_lr: The learning rate that cuts never go below, >= 0.
        warmup: Duration of the linear warmup: [epochs] 5ep, [steps] 500st, [percent of the run] 5%.
        warmup_start: Factor of the learning rate at the first step of the warmup, in [0, 1].
    """

    factor: float
    patience: int
    cooldown: int
    min_lr: float
    warmup: Duration
    warmup_start: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        require(0 < self.factor < 1, "factor", self.factor, "0 < factor < 1")
        require(self.patience >= 1, "patience", self.patience, "patience >= 1 [evaluations]")
        require(self.cooldown >= 0, "cooldown", self.cooldown, "cooldown >= 0 [evaluations]")
        require(math.isfinite(self.min_lr) and self.min_lr >= 0, "min_lr", self.min_lr, "min_lr >= 0")


@dataclass
class ReduceOnPlateau:
    """The factor and the counters behind it.

    Attributes:
        config: The keys.
        floor: The smallest factor, min_lr over the peak learning rate, in [0, 1].
        warmup: Steps of the warmup.
        scale: The factor, in [floor, 1].
        bad: Evaluations without improvement since the last improvement or cut.
        cooldown_left: Evaluations still to be ignored.
    """

    config: Config
    floor: float
    warmup: int
    scale: float = 1.0
    bad: int = 0
    cooldown_left: int = 0

    def update(self, improved: bool, step: int) -> None:
        """Take the judgement of one evaluation after step optimizer steps."""
        if step <= self.warmup:
            return
        if self.cooldown_left > 0:
            self.cooldown_left -= 1
            self.bad = 0
            return
        self.bad = 0 if improved else self.bad + 1
        if self.bad >= self.config.patience:
            lowered = self.scale * self.config.factor
            # 0.1 * 0.1 * 0.1 is just above 0.001: without isclose, one more cut would follow, by a rounding error.
            self.scale = self.floor if lowered < self.floor or math.isclose(lowered, self.floor) else lowered
            self.bad = 0
            self.cooldown_left = self.config.cooldown

    def state_dict(self) -> dict[str, Any]:
        """Give the factor and the counters."""
        return {"scale": self.scale, "bad": self.bad, "cooldown_left": self.cooldown_left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the factor and the counters; a peak that was lowered since may have raised the floor."""
        self.scale = max(state["scale"], self.floor)
        self.bad, self.cooldown_left = state["bad"], state["cooldown_left"]


def build(config: Config, span: Span) -> Schedule:
    """Give the schedule over span.

    Raises:
        RuleError: If min_lr is above the peak learning rate.
    """
    require(config.min_lr <= span.lr, "min_lr", config.min_lr, f"at most the peak learning rate, {span.lr:g}")
    plateau = ReduceOnPlateau(config, config.min_lr / span.lr, span.warmup)
    return Schedule(span, config.warmup_start, lambda step: 1.0, plateau)
