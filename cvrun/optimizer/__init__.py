"""Optimizers.

Contract of an option module: a flat frozen dataclass `Config` with at least `lr`, `weight_decay`, `lr_scale` and
`base_batch`, and `build(config: Config, groups: list[ParamGroup], lr: float) -> torch.optim.Optimizer`; lr is the
rate after scaling by the batch size.
To add one, write `cvrun/optimizer/NAME.py` and `configs/optimizer/NAME.yaml` (with `option: NAME`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Protocol

from torch import nn

from cvrun.errors import one_of, require

ParamGroup = dict[str, Any]
"""{"params": list of parameters, "weight_decay": float}"""

SCALINGS = ("none", "linear", "sqrt")


class OptimizerConfig(Protocol):
    """The keys that every optimizer has."""

    @property
    def lr(self) -> float:
        """Learning rate at base_batch (or as it is, with lr_scale "none"), > 0."""

    @property
    def weight_decay(self) -> float:
        """Weight decay of matrices and filters, >= 0; norms and biases have none."""

    @property
    def lr_scale(self) -> str:
        """How lr follows the batch size: none, linear or sqrt."""

    @property
    def base_batch(self) -> int:
        """The batch size for which lr is meant [images]."""


def check(config: OptimizerConfig) -> None:
    """Check the ranges of the keys that every optimizer has.

    Raises:
        RuleError: If one is out of range.
    """
    require(math.isfinite(config.lr) and config.lr > 0, "lr", config.lr, "lr > 0")
    decay = config.weight_decay
    require(math.isfinite(decay) and decay >= 0, "weight_decay", decay, "weight_decay >= 0")
    one_of("lr_scale", config.lr_scale, SCALINGS)
    require(config.base_batch >= 1, "base_batch", config.base_batch, "base_batch >= 1 [images]")


def check_betas(betas: tuple[float, ...]) -> None:
    """Check the two decay rates of Adam's moments.

    Raises:
        RuleError: If there are not two, or one is outside [0, 1).
    """
    fine = len(betas) == 2 and all(0 <= beta < 1 for beta in betas)
    require(fine, "betas", list(betas), "two numbers, 0 <= beta < 1")


def check_eps(eps: float) -> None:
    """Check the number that keeps a quotient finite.

    Raises:
        RuleError: Unless 0 < eps < 1.
    """
    require(0 < eps < 1, "eps", eps, "0 < eps < 1")


def check_momentum(momentum: float) -> None:
    """Check the share of the last step that is kept.

    Raises:
        RuleError: Unless 0 <= momentum < 1.
    """
    require(0 <= momentum < 1, "momentum", momentum, "0 <= momentum < 1")


def scaled_lr(config: OptimizerConfig, batch_size: int) -> float:
    """Give lr for the global batch of one optimizer step (over all devices and accumulated parts).

    Source: Goyal et al. 2017, section 2.1 (linear); Krizhevsky 2014, section 5 (square root).
    """
    ratio = batch_size / config.base_batch
    return config.lr * {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[config.lr_scale]


def param_groups(model: nn.Module, weight_decay: float) -> list[ParamGroup]:
    """Give the trainable parameters in two groups: those that decay, and norms and biases, which do not.

    A parameter with fewer than two dimensions is a bias, or the scale or shift of a norm. What a model of timm names in
    its `no_weight_decay()`, such as position embeddings, does not decay either. Empty groups are left out.
    """
    exempt = model.no_weight_decay() if hasattr(model, "no_weight_decay") else ()  # type: ignore[operator]
    decay: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim >= 2 and not any(fnmatchcase(name, pattern) for pattern in exempt)
            (decay if decays else plain).append(parameter)
    groups = [{"params": decay, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def fusable(groups: list[ParamGroup], devices: Sequence[str] = ("cpu", "cuda")) -> bool:
    """Give whether torch's fused kernels take every parameter: real floating point on one of devices."""
    parameters = [parameter for group in groups for parameter in group["params"]]
    return all(p.is_floating_point() and p.device.type in devices for p in parameters)
