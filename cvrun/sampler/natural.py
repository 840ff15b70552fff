"""Every training image once an epoch, in a new order each epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvrun.rng import generator
from cvrun.sampler import Sampler, Shown, require_no_weights, shares_of


@dataclass(frozen=True)
class Config:
    """No keys: the images come as often as they are."""


def build(config: Config, shown: Shown, seed: int) -> Sampler:
    """Give the sampler; the order is a permutation keyed by (seed, epoch)."""

    def order(epoch: int) -> Tensor:
        return torch.randperm(len(shown.labels), generator=generator(seed, "shuffle", epoch))

    return order


def images_per_epoch(config: Config, counts: NDArray[np.int64]) -> int:
    """Give the number of images, all of them."""
    return int(counts.sum())


def shares(config: Config, shown: Shown) -> NDArray[np.float64]:
    """Give the share of each class among the images, float64 (K,).

    Raises:
        ConfigError: If the data has weights.
    """
    require_no_weights(shown)
    return shares_of(shown.counts)
