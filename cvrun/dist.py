"""Rank, world size and sums over ranks; one process is a world of one."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from cvrun.errors import ConfigError


def world_size() -> int:
    """Give the number of processes that train together; 1 outside torch.distributed."""
    return torch.distributed.get_world_size() if _ready() else 1


def rank() -> int:
    """Give this process's rank, [0, world_size)."""
    return torch.distributed.get_rank() if _ready() else 0


def launched_world_size() -> int:
    """Give the number of processes that a launcher such as torchrun says it started; 1 without a launcher.

    Raises:
        ConfigError: If WORLD_SIZE is not a number.
    """
    text = os.environ.get("WORLD_SIZE") or "1"
    if not text.isdecimal():
        raise ConfigError(f"WORLD_SIZE={text}: expected a whole number", "unset it to run one process")
    return int(text)


def sum_over_ranks(values: Tensor) -> Tensor:
    """Give values added over all ranks, the same on each; values themselves in a world of one."""
    if not _ready():
        return values
    total = values.clone()
    torch.distributed.all_reduce(total)
    return total


def _ready() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
