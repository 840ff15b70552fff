"""AdaGrad: steps divided by the root of the sum of all squared gradients.

Source: Duchi, Hazan, Singer 2011. The steps only shrink: lr, lr / sqrt(2), lr / sqrt(3), ... under a constant gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from cvrun.errors import require
from cvrun.optimizer import ParamGroup, check, check_eps, fusable
from cvrun.optimizer._eager import eager


@dataclass(frozen=True)
class Config:
    """Keys of `optimizer=adagrad`.

    Attributes:
        lr: Learning rate at base_batch, > 0.
        weight_decay: The gradient gains weight_decay * w, >= 0; norms and biases have none.
        lr_scale: How lr follows the batch size: none, linear or sqrt.
        base_batch: The batch size for which lr is meant [images].
        eps: Added to the root of the sum, in (0, 1).
        initial_accumulator: The sum of squares before the first step, >= 0.
    """

    lr: float
    weight_decay: float
    lr_scale: str
    base_batch: int
    eps: float
    initial_accumulator: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        check_eps(self.eps)
        start = self.initial_accumulator
        require(math.isfinite(start) and start >= 0, "initial_accumulator", start, "initial_accumulator >= 0")


def build(config: Config, groups: list[ParamGroup], lr: float) -> torch.optim.Optimizer:
    """Give the optimizer of groups at the scaled rate lr."""
    optimizer: torch.optim.Optimizer = eager(torch.optim.Adagrad)(
        groups,
        lr=lr,
        eps=config.eps,
        initial_accumulator_value=config.initial_accumulator,
        # torch 2.11 has no fused kernel of it for CUDA.
        fused=fusable(groups, ("cpu",)),
    )
    return optimizer
