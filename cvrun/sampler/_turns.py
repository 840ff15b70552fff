"""A part of a class each epoch, in turns: nobody comes twice before all have come, but for a rest that is too small."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvrun.rng import generator


def members(labels: NDArray[np.int64], num_classes: int) -> list[Tensor]:
    """Give the positions of the images of each class, ascending, K tensors of int64."""
    ends = np.cumsum(np.bincount(labels, minlength=num_classes))
    return [torch.from_numpy(part) for part in np.split(np.argsort(labels, kind="stable"), ends[:-1])]


def turn(positions: Tensor, size: int, epoch: int, *parts: int | str) -> Tensor:
    """Give size of positions without replacement: a pure function of epoch and the parts of a key.

    Args:
        positions: int64 (N,).
        size: [images] At most N.
        epoch: Of a round of N // size epochs each image comes at most once; the next round has another order.
        parts: What the order of a round is keyed by, such as (seed, "turn", 3).
    """
    if size in (0, len(positions)):
        return positions[:size]
    number, at = divmod(epoch, len(positions) // size)
    order = torch.randperm(len(positions), generator=generator(*parts, number))
    return positions[order[at * size : (at + 1) * size]]


def shuffled(positions: list[Tensor], seed: int, epoch: int) -> Tensor:
    """Give all positions in one order, keyed by (seed, epoch), int64."""
    together = torch.cat(positions)
    return together[torch.randperm(len(together), generator=generator(seed, "shuffle", epoch))]
