"""Early stopping: ends a run whose monitored score no longer improves. The best weights are kept in any case.

Contract of an option module: a flat frozen dataclass `Config` and `build(config: Config, mode: str) -> Stopper`; mode
is the monitor's direction, "max" or "min".
A run that goes on may have another option of the group, or other keys (`cvrun resume RUN early_stopping=never`): what
was counted stays counted, a counter that the other option does not have begins anew, and whether training is over is
judged by the keys of now.
To add one, write `cvrun/early_stopping/NAME.py` and `configs/early_stopping/NAME.yaml` (with `option: NAME`).
"""

from __future__ import annotations

from typing import Any, Protocol


class Stopper(Protocol):
    """Counts evaluations without improvement."""

    @property
    def stopped(self) -> bool:
        """Whether training is over."""

    def update(self, improved: bool, score: float, epoch: float) -> None:
        """Take the judgement of one evaluation after epoch epochs of training (fractions count)."""

    def state_dict(self) -> dict[str, Any]:
        """Give the counters."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the counters; they may be those of another option, or have been counted under other keys."""
