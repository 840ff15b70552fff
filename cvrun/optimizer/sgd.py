"""Stochastic gradient descent, with momentum and Nesterov's look-ahead.

Source of the update: Sutskever et al. 2013, in the form of torch: v = momentum * v + g; w -= lr * v, or
w -= lr * (g + momentum * v) with Nesterov.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cvrun.errors import require
from cvrun.optimizer import ParamGroup, check, check_momentum, fusable
from cvrun.optimizer._eager import eager


@dataclass(frozen=True)
class Config:
    """Keys of `optimizer=sgd`.

    Attributes:
        lr: Learning rate at base_batch, > 0.
        weight_decay: The gradient gains weight_decay * w, >= 0; norms and biases have none.
        lr_scale: How lr follows the batch size: none, linear or sqrt.
        base_batch: The batch size for which lr is meant [images].
        momentum: Share of the last step that is kept, in [0, 1).
        nesterov: Whether the gradient is the one ahead, at the end of the momentum's step.
    """

    lr: float
    weight_decay: float
    lr_scale: str
    base_batch: int
    momentum: float
    nesterov: bool

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        check_momentum(self.momentum)
        require(self.momentum > 0 or not self.nesterov, "nesterov", self.nesterov, "false where momentum is 0")


def build(config: Config, groups: list[ParamGroup], lr: float) -> torch.optim.Optimizer:
    """Give the optimizer of groups at the scaled rate lr."""
    optimizer: torch.optim.Optimizer = eager(torch.optim.SGD)(
        groups, lr=lr, momentum=config.momentum, nesterov=config.nesterov, fused=fusable(groups)
    )
    return optimizer
