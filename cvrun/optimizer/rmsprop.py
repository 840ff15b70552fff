"""RMSProp: steps divided by the root of a running mean of the squared gradient.

Source: Tieleman, Hinton 2012, lecture 6.5. The mean starts at 0 without a correction, so the first step of a weight
is lr / sqrt(1 - alpha), ten times lr at alpha 0.99.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cvrun.errors import require
from cvrun.optimizer import ParamGroup, check, check_eps, check_momentum
from cvrun.optimizer._eager import eager


@dataclass(frozen=True)
class Config:
    """Keys of `optimizer=rmsprop`.

    Attributes:
        lr: Learning rate at base_batch, > 0.
        weight_decay: The gradient gains weight_decay * w, >= 0; norms and biases have none.
        lr_scale: How lr follows the batch size: none, linear or sqrt.
        base_batch: The batch size for which lr is meant [images].
        alpha: Decay rate of the mean of the squared gradient, in [0, 1).
        eps: Added to the root of the mean square, in (0, 1).
        momentum: Share of the last step that is kept, in [0, 1).
        centered: Whether the gradient's variance takes the place of its mean square.
    """

    lr: float
    weight_decay: float
    lr_scale: str
    base_batch: int
    alpha: float
    eps: float
    momentum: float
    centered: bool

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        require(0 <= self.alpha < 1, "alpha", self.alpha, "0 <= alpha < 1")
        check_eps(self.eps)
        check_momentum(self.momentum)


def build(config: Config, groups: list[ParamGroup], lr: float) -> torch.optim.Optimizer:
    """Give the optimizer of groups at the scaled rate lr."""
    optimizer: torch.optim.Optimizer = eager(torch.optim.RMSprop)(
        groups, lr=lr, alpha=config.alpha, eps=config.eps, momentum=config.momentum, centered=config.centered
    )
    return optimizer
