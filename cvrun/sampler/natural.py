"""Every training image once an epoch, in a new order each epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvrun.rng import generator
from cvrun.sampler import Sampler


@dataclass(frozen=True)
class Config:
    """No keys: the images come as often as they are."""


def build(config: Config, labels: NDArray[np.int64], num_classes: int, seed: int) -> Sampler:
    """Give the sampler of as many images as there are labels; the order is a permutation keyed by (seed, epoch)."""

    def order(epoch: int) -> Tensor:
        return torch.randperm(len(labels), generator=generator(seed, "shuffle", epoch))

    return order
