"""Exponential moving average of the weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class NoEma:
    """No average."""

    def models(self) -> dict[str, nn.Module]:
        """Give nothing."""
        return {}

    def update(self, model: nn.Module) -> None:
        """Do nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Give nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing."""


class WeightEma:
    """average += (1 - d) * (weights - average) after each step, with d = min(decay, (1 + n) / (10 + n)).

    n counts the updates, so that the average forgets the initial weights soon; buffers are copied. Source of the
    warmup of d: TensorFlow's ExponentialMovingAverage with num_updates.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Begin with a copy of model."""
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.num_updates = 0
        # To walk through the modules takes longer than the arithmetic, so the tensors are looked up once.
        self._own = _tensors(self.model)
        self._source: nn.Module | None = None
        self._theirs: tuple[list[Tensor], list[Tensor]] = ([], [])

    def models(self) -> dict[str, nn.Module]:
        """Give the averaged model under the name "val/ema"."""
        return {"val/ema": self.model}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards model."""
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        if self._source is not model:
            self._source, self._theirs = model, _tensors(model)
        torch._foreach_lerp_(self._own[0], self._theirs[0], 1.0 - decay)
        if self._own[1]:
            torch._foreach_copy_(self._own[1], self._theirs[1])

    def state_dict(self) -> dict[str, Any]:
        """Give weights and update count."""
        return {"model": self.model.state_dict(), "num_updates": self.num_updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take weights and update count."""
        self.model.load_state_dict(state["model"])
        self.num_updates = state["num_updates"]


def _tensors(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Give parameters and buffers."""
    return list(model.parameters()), list(model.buffers())
