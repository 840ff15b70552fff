"""The monitor: one judgement of each score, shared by best weights, plateau and early stopping."""

from __future__ import annotations

import math
from typing import Any

from cvrun.errors import DivergedError


class Best:
    """The best score so far and the step at which it was reached."""

    def __init__(self, metric: str, mode: str, min_delta: float, delta_mode: str) -> None:
        """Begin without a score.

        Args:
            metric: Name of the monitored metric, for messages.
            mode: "max" or "min".
            min_delta: A score is better when it beats the best by more than this.
            delta_mode: "abs", or "rel": min_delta is a fraction of the best score's size, so that the sign of the
                score does not matter.
        """
        self.metric, self.mode, self.min_delta, self.delta_mode = metric, mode, min_delta, delta_mode
        self.score: float | None = None
        self.step = 0

    def update(self, score: float, step: int) -> bool:
        """Give whether score is better than the best, and remember it if so. A tie is not better.

        Raises:
            DivergedError: If score is NaN.
        """
        if math.isnan(score):
            hint = "lower optimizer.lr, add warmup, or set trainer.max_grad_norm"
            raise DivergedError(f"{self.metric}=nan at step {step}, expected a number", hint)
        if self.score is not None:
            delta = self.min_delta * (abs(self.score) if self.delta_mode == "rel" else 1.0)
            gain = score - self.score if self.mode == "max" else self.score - score
            if not gain > delta:
                return False
        self.score, self.step = score, step
        return True

    def state_dict(self) -> dict[str, Any]:
        """Give score and step."""
        return {"score": self.score, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take score and step."""
        self.score, self.step = state["score"], state["step"]
