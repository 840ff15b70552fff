"""The features that a model's head sees: what goes into its last linear layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvrun.errors import ConfigError


class Features:
    """What went into the head, batch by batch."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._batches: list[Tensor] = []

    def add(self, batch: Tensor) -> None:
        """Take the features of a batch (B, D)."""
        self._batches.append(batch.detach().float().cpu())

    def rows(self) -> NDArray[np.float32]:
        """Give the features of all images in their order, float32 (N, D).

        Raises:
            ConfigError: If nothing went through such a layer.
        """
        if not self._batches:
            raise _no_head()
        found: NDArray[np.float32] = torch.cat(self._batches).numpy()
        return found


@contextmanager
def caught(model: nn.Module, num_classes: int) -> Iterator[Features]:
    """Catch the features of every batch that goes through model while the block runs, which should be one pass.

    The head is the linear layer with one output a class that is called last; the model is not changed.

    Raises:
        ConfigError: If model has no such layer, or what goes into it is not one row an image.
    """
    heads = [layer for layer in model.modules() if isinstance(layer, nn.Linear) and layer.out_features == num_classes]
    if not heads:
        raise _no_head()
    features = Features()
    last: list[Tensor] = []

    def note(layer: nn.Module, given: tuple[Any, ...]) -> None:
        last[:] = [given[0]]

    def keep(layer: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        if not last or last[0].ndim != 2:
            raise _no_head()
        features.add(last.pop())

    handles = [layer.register_forward_pre_hook(note) for layer in heads]
    handles.append(model.register_forward_hook(keep))
    try:
        yield features
    finally:
        for handle in handles:
            handle.remove()


def _no_head() -> ConfigError:
    return ConfigError("--scatter: this model has no linear layer as its head, expected one with an output a class")
