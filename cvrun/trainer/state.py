"""State: everything that changes while a run trains, and therefore everything that a checkpoint holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from cvrun.dist import ALONE, Together
from cvrun.early_stopping import Stopper
from cvrun.scheduler import Plateau
from cvrun.trainer import Ema
from cvrun.trainer.best import Best


class LossMean:
    """The mean training loss since the last record, summed on the device so that no step waits for it.

    Attributes:
        total: Sum over the images, float64.
        num_images: How many.
        first_bad: On another device than the CPU, the first update whose loss was not finite; -1 when there is none.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.total: Tensor = torch.zeros((), dtype=torch.float64)
        self.num_images = 0
        self.first_bad: Tensor | None = None

    def add(self, loss: Tensor, num_images: int, step: int) -> None:
        """Take the mean loss over num_images images in the update after step."""
        if self.total.device != loss.device:
            self.total = self.total.to(loss.device)
        self.total.add_(loss.detach(), alpha=num_images)
        self.num_images += num_images
        if loss.device.type != "cpu":
            before = torch.tensor(-1) if self.first_bad is None else self.first_bad
            before = before.to(loss.device, non_blocking=True)
            self.first_bad = torch.where((before < 0) & ~loss.detach().isfinite(), step, before)

    def value(self, together: Together = ALONE) -> float:
        """Give the mean, which may not be finite; waits for the device.

        Of several ranks each has added its share for the images of all. The first one, whose state is saved, has the
        whole sum from here on.
        """
        total = together.sum(self.total)
        self.total = together.keep(total)
        return float(total) / max(self.num_images, 1)

    def state_dict(self) -> dict[str, Any]:
        """Give sum and count."""
        return {"total": self.total.to("cpu", copy=True), "num_images": self.num_images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take sum and count."""
        self.total, self.num_images = state["total"].clone(), state["num_images"]


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
        pixels: Part of the split -> digest of its pixels, where an earlier part of the run knew one.
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
    pixels: dict[str, str] = field(default_factory=dict)

    _PARTS = ("model", "optimizer", "scaler", "ema", "plateau", "stopper", "best", "loss_mean")

    @cached_property
    def parameters(self) -> list[Tensor]:
        """What the optimizer changes."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

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
