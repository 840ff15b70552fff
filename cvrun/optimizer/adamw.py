"""AdamW: Adam with a weight decay that does not pass through the gradient's scaling.

Source: Loshchilov, Hutter 2019, algorithm 2, in the form of torch: a step also does w -= lr * weight_decay * w.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cvrun.optimizer import ParamGroup, check, check_betas, check_eps, fusable
from cvrun.optimizer._eager import eager


@dataclass(frozen=True)
class Config:
    """Keys of `optimizer=adamw`.

    Attributes:
        lr: Learning rate at base_batch, > 0.
        weight_decay: A step also does w -= lr * weight_decay * w, >= 0; norms and biases have none.
        lr_scale: How lr follows the batch size: none, linear or sqrt.
        base_batch: The batch size for which lr is meant [images].
        betas: Decay rates of the mean of the gradient and of its square, each in [0, 1).
        eps: Added to the root of the mean square, in (0, 1).
    """

    lr: float
    weight_decay: float
    lr_scale: str
    base_batch: int
    betas: tuple[float, ...]
    eps: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        check_betas(self.betas)
        check_eps(self.eps)


def build(config: Config, groups: list[ParamGroup], lr: float) -> torch.optim.Optimizer:
    """Give the optimizer of groups at the scaled rate lr."""
    first, second = config.betas
    optimizer: torch.optim.Optimizer = eager(torch.optim.AdamW)(
        groups, lr=lr, betas=(first, second), eps=config.eps, fused=fusable(groups)
    )
    return optimizer
