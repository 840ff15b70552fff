"""Stops after some evaluations without improvement.

Counted as in Keras: training ends AT the patience-th evaluation without improvement, so a flat score with patience 5
ends it after the sixth. What counts as an improvement is the monitor's decision, the same for plateau, early stopping
and best checkpoint; with a baseline, an improvement that does not beat it leaves the count running, but never ends
the run itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cvrun.early_stopping import Stopper
from cvrun.errors import require


@dataclass(frozen=True)
class Config:
    """Keys of `early_stopping=patience`.

    Attributes:
        patience: Evaluations without improvement that end the run [evaluations], >= 1.
        start_from_epoch: Evaluations up to the end of this many epochs do not count [epochs], >= 0.
        baseline: The score that must be beaten before improvements reset the count, or None.
    """

    patience: int
    start_from_epoch: float
    baseline: float | None

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(self.patience >= 1, "patience", self.patience, "patience >= 1 [evaluations]")
        start = self.start_from_epoch
        require(math.isfinite(start) and start >= 0, "start_from_epoch", start, "start_from_epoch >= 0 [epochs]")
        fine = self.baseline is None or math.isfinite(self.baseline)
        require(fine, "baseline", self.baseline, "a finite score, or null")


@dataclass
class Patience:
    """The count of evaluations without improvement.

    Attributes:
        config: The keys.
        mode: The monitor's direction, "max" or "min".
        bad: Evaluations since the last improvement (on the baseline too, where there is one).
        improved: Whether the last evaluation that counts improved on the best score.
        epoch: [epochs] When that evaluation was.
    """

    config: Config
    mode: str
    bad: int = 0
    improved: bool = True
    epoch: float = 0.0

    @property
    def stopped(self) -> bool:
        """Whether training is over."""
        return not self.improved and self.bad >= self.config.patience

    def update(self, improved: bool, score: float, epoch: float) -> None:
        """Take the judgement of one evaluation after epoch epochs of training (fractions count)."""
        if epoch <= self.config.start_from_epoch:
            return
        self.bad = 0 if improved and self._beats_baseline(score) else self.bad + 1
        self.improved, self.epoch = improved, epoch

    def state_dict(self) -> dict[str, Any]:
        """Give the count and the last judgement; whether training is over follows from them."""
        return {"bad": self.bad, "improved": self.improved, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the count and the last judgement, unless all that was counted lies where nothing counts now."""
        # An option without a count has none of them; the first version had "stopped" in place of the last two.
        improved = bool(state.get("improved", not state.get("stopped", False)))
        counts = float(state.get("epoch", math.inf)) > self.config.start_from_epoch
        self.bad = int(state.get("bad", 0)) if counts else 0
        self.improved = improved or not counts
        self.epoch = float(state.get("epoch", 0.0))

    def _beats_baseline(self, score: float) -> bool:
        baseline = self.config.baseline
        if baseline is None:
            return True
        return score > baseline if self.mode == "max" else score < baseline


def build(config: Config, mode: str) -> Stopper:
    """Give a stopper for a monitor of direction mode, "max" or "min"."""
    return Patience(config, mode)
