"""Schedules: how the learning rate follows the step.

    lr(step) = base * warmup(step) * decay(step - warmup steps) * plateau.scale

Contract of an option module: a flat frozen dataclass `Config` with at least `warmup` (a duration) and
`warmup_start`, and `build(config: Config, span: Span) -> Schedule`. Warmup is linear from warmup_start to 1 and ends
before the decay begins; the peak is reached, and the minimum is reached at the last update.
To add one, write `cvrun/scheduler/NAME.py` and `configs/scheduler/NAME.yaml` (with `option: NAME`); a decay is a pure
function of the step, so nothing of it is in a checkpoint. Only `plateau` has state.

A run whose plan is changed (`cvrun resume RUN trainer.epochs=40`) has from there on, at each step, the rate of a run
that was planned so from its start. What that means when the run becomes longer:
    constant, exponential    no change: the rate does not know the end of the run
    cosine, polynomial       the curve is stretched: the rate rises to where the longer curve is, and ends at min_factor
    step, multistep          cuts given in epochs or steps stay; cuts given in percent move, so the rate may rise
    plateau                  no change: its factor and its counts are state and stay
    warmup                   given in epochs or steps it stays; given in percent it becomes longer, and may go on
A new `optimizer.lr` (with --allow-lr-change) is the peak of the same shape; plateau keeps its factor, but min_lr holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cvrun.duration import parse, to_steps
from cvrun.errors import require

Decay = Callable[[int], float]
"""Step since the end of the warmup, in [0, steps) -> factor of the learning rate, in [0, 1]."""


class SchedulerConfig(Protocol):
    """The keys that every scheduler has."""

    @property
    def warmup(self) -> str:
        """Duration of the linear warmup: [epochs] 5ep, [steps] 500st, [percent of the run] 5%."""

    @property
    def warmup_start(self) -> float:
        """Factor of the learning rate at the first step of the warmup, in [0, 1]."""


@dataclass(frozen=True)
class Span:
    """The steps over which a decay runs, and what it needs to know beside.

    Attributes:
        steps: Steps after the warmup, >= 1.
        warmup: Steps of the warmup, >= 0.
        steps_per_epoch: Optimizer steps an epoch.
        lr: The peak learning rate, after scaling by the batch size.
    """

    steps: int
    warmup: int
    steps_per_epoch: int
    lr: float

    def progress(self, step: int) -> float:
        """Give the fraction of the decay done at step (since the warmup): 0 at the first, 1 at the last update."""
        return min(step / (self.steps - 1), 1.0) if self.steps > 1 else 0.0


class Plateau(Protocol):
    """A factor of the learning rate that falls when the monitored score stops improving."""

    @property
    def scale(self) -> float:
        """The factor, in (0, 1]."""

    def update(self, improved: bool, step: int) -> None:
        """Take the judgement of one evaluation after step optimizer steps."""

    def state_dict(self) -> dict[str, Any]:
        """Give the counters."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the counters."""


class NoPlateau:
    """The plateau of schedules that do not look at the score: always 1."""

    scale = 1.0

    def update(self, improved: bool, step: int) -> None:
        """Ignore the judgement."""

    def state_dict(self) -> dict[str, Any]:
        """Give nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing."""


@dataclass(frozen=True)
class Schedule:
    """A decay behind a linear warmup, and a plateau (which is state, and therefore saved)."""

    span: Span
    warmup_start: float
    decay: Decay
    plateau: Plateau = field(default_factory=NoPlateau)

    def lr(self, step: int) -> float:
        """Give the learning rate of the update at step, counted from 0."""
        warm = self.span.warmup
        rising = self.warmup_start + (1.0 - self.warmup_start) * step / warm if step < warm else 1.0
        return self.span.lr * rising * self.decay(max(step - warm, 0)) * self.plateau.scale


def check(config: SchedulerConfig) -> None:
    """Check the keys that every scheduler has.

    Raises:
        RuleError: If one is out of range.
    """
    parse(config.warmup, "warmup")
    require(0 <= config.warmup_start <= 1, "warmup_start", config.warmup_start, "0 <= warmup_start <= 1")


def run_steps(text: str, key: str, span: Span) -> int:
    """Give the step of the run at which a cut comes, from a duration on the clock of the run.

    Args:
        text: The duration since the start of the run, the warmup included.
        key: The field of the option's `Config`, for the message.
        span: The steps of the run.

    Raises:
        RuleError: If it does not lie after the warmup: the peak would not be reached.
    """
    total = span.warmup + span.steps
    steps = to_steps(text, key=key, steps_per_epoch=span.steps_per_epoch, total_steps=total)
    rule = f"more than the warmup, {span.warmup} steps; this is {steps} steps"
    require(steps > span.warmup, key, text, rule)
    return steps
