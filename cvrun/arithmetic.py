"""How a model computes: the memory layout of its filters, and the precision of its operations.

It is the same in training, evaluation and prediction; names and values of the weights are not touched.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import types
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Precision -> what autocast computes in; fp32 needs no autocast."""


def arranged(model: nn.Module, precision: str, device: torch.device) -> nn.Module:
    """Give model, itself, laid out and set up for precision on device, where its weights are.

    Filters become channels-last, as the images are. On a CPU grouped convolutions, and attention in modules as timm
    builds them, stay in float32 under autocast: the reduced kernels for their gradients are slower.
    """
    model.to(memory_format=torch.channels_last)
    if device.type == "cpu" and precision in DTYPES:
        for module in model.modules():
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                # A method of the module, so that a copy of the model computes with the weights of the copy.
                module.forward = types.MethodType(_in_float32, module)  # type: ignore[method-assign]
            elif hasattr(module, "fused_attn"):
                module.forward = types.MethodType(_attending_in_float32, module)
    return model


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """Give the context in which models compute."""
    if precision not in DTYPES:
        return contextlib.nullcontext
    return functools.partial(torch.autocast, device.type, dtype=DTYPES[precision])


def computes_bf16() -> bool:
    """Give whether this processor has instructions for bfloat16; without them it is emulated, and slow."""
    if platform.machine() in ("aarch64", "arm64"):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _in_float32(module: nn.Conv2d, image: Tensor) -> Tensor:
    with torch.autocast(image.device.type, enabled=False):
        return type(module).forward(module, image.float())


def strict_kernels(wanted: bool) -> None:
    """Let torch refuse kernels whose result depends on the order in which threads come, or allow them again."""
    if wanted:
        # cuBLAS reads it when CUDA starts: https://docs.nvidia.com/cuda/cublas/#results-reproducibility
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The call takes long, since it imports a part of the compiler.
    if torch.are_deterministic_algorithms_enabled() != wanted:
        torch.use_deterministic_algorithms(wanted)


def _attending_in_float32(module: nn.Module, *args: Any, **keys: Any) -> Any:
    """Give what module gives; its linear layers compute in the precision of autocast, the attention in float32."""
    forward = type(module).forward
    if torch.compiler.is_compiling():
        return forward(module, *args, **keys)
    with _Float32Attention():
        return forward(module, *args, **keys)


class _Float32Attention(TorchFunctionMode):
    """Computes attention in float32 and gives it in the type that it came in; all else is left as it is."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Give what func(*args, **kwargs) gives."""
        keys = kwargs or {}
        if func is not functional.scaled_dot_product_attention:
            return func(*args, **keys)
        query = args[0]
        with torch.autocast(query.device.type, enabled=False):
            found = func(*map(_float32, args), **{name: _float32(value) for name, value in keys.items()})
        return found.to(query.dtype)


def _float32(value: Any) -> Any:
    """Give a tensor of reduced precision as float32, and anything else as it is."""
    return value.float() if isinstance(value, Tensor) and value.dtype in DTYPES.values() else value
