"""Any optimizer of timm by its name, such as lamb, lion, muon or nadamw.

What the parameters of an optimizer mean is in timm's documentation. Those that need second derivatives are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from cvrun.errors import RuleError, did_you_mean, require
from cvrun.optimizer import ParamGroup, check, check_eps, check_momentum


@dataclass(frozen=True)
class Config:
    """Keys of `optimizer=timm`.

    Attributes:
        name: One of timm.optim.list_optimizers().
        lr: Learning rate at base_batch, > 0.
        weight_decay: As the optimizer understands it, >= 0; norms and biases have none.
        lr_scale: How lr follows the batch size: none, linear or sqrt.
        base_batch: The batch size for which lr is meant [images].
        momentum: Share of the last step that is kept, in [0, 1), or None: timm's choice.
        betas: Decay rates of the running means, each in [0, 1), or None: timm's choice.
        eps: What keeps a quotient finite, in (0, 1), or None: timm's choice.
    """

    name: str
    lr: float
    weight_decay: float
    lr_scale: str
    base_batch: int
    momentum: float | None
    betas: tuple[float, ...] | None
    eps: float | None

    def __post_init__(self) -> None:
        """Check the name, the ranges, and that the optimizer has what is set."""
        check(self)
        names = _timm().list_optimizers()
        require(self.name in names, "name", self.name, "an optimizer of timm", did_you_mean(self.name, names))
        info = _timm().get_optimizer_info(self.name)
        require(not info.second_order, "name", self.name, "an optimizer that needs first derivatives only")
        if self.momentum is not None:
            require(info.has_momentum, "momentum", self.momentum, f"null, since {self.name} has no momentum")
            check_momentum(self.momentum)
        if self.betas is not None:
            require(info.has_betas, "betas", list(self.betas), f"null, since {self.name} has no betas")
            fine = len(self.betas) == info.num_betas and all(0 <= beta < 1 for beta in self.betas)
            require(fine, "betas", list(self.betas), f"{info.num_betas} numbers, 0 <= beta < 1")
        if self.eps is not None:
            require(info.has_eps, "eps", self.eps, f"null, since {self.name} has no eps")
            check_eps(self.eps)


def build(config: Config, groups: list[ParamGroup], lr: float) -> torch.optim.Optimizer:
    """Give the optimizer of groups at the scaled rate lr; only the keys that are set are handed on.

    Raises:
        RuleError: If the optimizer needs a package or a device that is missing, or refuses a value.
    """
    chosen = {"momentum": config.momentum, "betas": config.betas, "eps": config.eps}
    given = {key: value for key, value in chosen.items() if value is not None}
    try:
        # The decay stands in the groups; what is passed here is for groups that name none.
        optimizer: torch.optim.Optimizer = _timm().create_optimizer_v2(
            groups, opt=config.name, lr=lr, weight_decay=0.0, **given
        )
    except (ImportError, AssertionError, TypeError, ValueError) as error:
        raise RuleError("name", config.name, f"an optimizer that can be built here ({error})") from error
    return optimizer


def _timm() -> Any:
    """Give timm's optimizers; imported late, since timm takes seconds, and untyped, since it exports no types."""
    import timm.optim

    return timm.optim
