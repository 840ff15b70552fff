"""torch's optimizers without what they do for torch.compile, to which no optimizer is given here."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch

_DECORATED = ("add_param_group", "state_dict", "load_state_dict", "zero_grad")


@functools.cache
def eager(kind: type[torch.optim.Optimizer]) -> Any:
    """Give a class that computes what kind does, to the bit, without torch's decorators around its methods.

    They import torch._dynamo, a second of every start, and cost a step some twenty microseconds for graph breaks, hooks
    and a mark in profiles. A compiled model loses nothing: the optimizer runs outside of it.
    """
    step: Any = torch.no_grad()(inspect.unwrap(kind.step))
    # Otherwise the first optimizer of the class decorates it again.
    step.hooked = True
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in _DECORATED}
    return type(kind.__name__, (kind,), {**plain, "step": step})
