"""An optimizer over channels-last weights whose fused kernel stays fast, and whose saved state keeps its form.

torch's fused CPU kernels work on contiguous memory and copy what is not: over channels-last weights each step copies
weight, gradient and moments back and forth, and takes twice its time. Seen with its dimensions in the order of memory,
(O, H, W, I), the same weight is contiguous. So the tensors have that order while a step runs, and their own before and
after it; nothing but the step ever sees it, and what is saved is what torch saves for any other layout.
"""

from __future__ import annotations

import torch
from torch import Tensor

_TO_MEMORY, _FROM_MEMORY = (0, 2, 3, 1), (0, 3, 1, 2)


def keep_layout(optimizer: torch.optim.Optimizer) -> None:
    """Let optimizer work in the memory order of its parameters: while it steps, and after its state is loaded."""
    optimizer.register_load_state_dict_post_hook(_like_parameters)
    copied = [
        parameter
        for group in optimizer.param_groups
        for parameter in group["params"]
        if group.get("fused") and parameter.device.type == "cpu" and _is_channels_last(parameter)
    ]
    if not copied:
        return
    step = optimizer.step

    def step_in_memory_order() -> None:
        seen = [parameter for parameter in copied if parameter.grad is not None]
        _permute(optimizer, seen, _TO_MEMORY)
        try:
            step()
        finally:
            _permute(optimizer, seen, _FROM_MEMORY)

    # Not hooks around the step, which optimizers of `_eager` do not have.
    optimizer.step = step_in_memory_order  # type: ignore[method-assign,assignment]


def _is_channels_last(value: Tensor) -> bool:
    return value.ndim == 4 and not value.is_contiguous() and value.is_contiguous(memory_format=torch.channels_last)


def _permute(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter], order: tuple[int, ...]) -> None:
    """Permute the dimensions of parameters, of their gradients and of their moments; no number is moved."""
    for parameter in parameters:
        gradient = parameter.grad
        # A gradient has the shape of its parameter at all times.
        parameter.grad = None
        parameter.data = parameter.data.permute(order)
        parameter.grad = None if gradient is None else gradient.permute(order)
        moments = optimizer.state[parameter]
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.ndim == 4:
                moments[name] = value.permute(order)


def _like_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Lay out loaded moments as the parameters are: a kernel may give other bits, or be slow, where they differ."""
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
