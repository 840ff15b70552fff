"""State: everything that changes while a run trains, and therefore everything that a checkpoint holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cvrun.early_stopping import Stopper
from cvrun.errors import DivergedError
from cvrun.scheduler import Plateau
from cvrun.trainer import Ema
from cvrun.trainer.best import Best


class LossMean:
    """The mean training loss since the last record, summed on the device so that no step waits for it."""

    def __init__(self) -> None:
        """Begin empty."""
        self.total: Tensor = torch.zeros((), dtype=torch.float64)
        self.num_images = 0

    def add(self, loss: Tensor, num_images: int) -> None:
        """Take the mean loss over num_images images."""
        self.total = self.total.to(loss.device) + loss.detach().double() * num_images
        self.num_images += num_images

    def value(self, step: int) -> float:
        """Give the mean, which must be finite; waits for the device.

        Raises:
            DivergedError: If it is not finite.
        """
        total = float(self.total)
        if total != total or total in (float("inf"), float("-inf")):
            hint = "lower optimizer.lr, add warmup, or set trainer.max_grad_norm"
            raise DivergedError(f"train/loss={total} at or before step {step}, expected a finite number", hint)
        return total / max(self.num_images, 1)

    def state_dict(self) -> dict[str, Any]:
        """Give sum and count."""
        return {"total": self.total.cpu(), "num_images": self.num_images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take sum and count."""
        self.total, self.num_images = state["total"], state["num_images"]


@dataclass
class State:
    """What training changes.

    Attributes:
        model: The network.
        optimizer: With its moments.
        scaler: Of fp16 gradients; does nothing in other precisions.
        ema: Averaged weights.
        plateau: The schedule's memory of scores.
        stopper: Early stopping's memory of scores.
        best: The monitor.
        loss_mean: Since the last record.
        step: Optimizer steps done.
        evaluated: The step at which the model was last evaluated.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    ema: Ema
    plateau: Plateau
    stopper: Stopper
    best: Best
    loss_mean: LossMean
    step: int = 0
    evaluated: int = 0

    _PARTS = ("model", "optimizer", "scaler", "ema", "plateau", "stopper", "best", "loss_mean")

    def models(self) -> dict[str, nn.Module]:
        """Give what is evaluated: prefix of its metrics -> model."""
        return {"val": self.model, **self.ema.models()}

    def state_dict(self) -> dict[str, Any]:
        """Give all of it as plain values and tensors."""
        parts = {name: getattr(self, name).state_dict() for name in self._PARTS}
        return {**parts, "step": self.step, "evaluated": self.evaluated}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what state_dict gave."""
        for name in self._PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.step, self.evaluated = state["step"], state["evaluated"]
