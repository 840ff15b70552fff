"""Which images of a batch are whose, when several ranks train together.

Mixing augmentations pair image i of a batch with image n-1-i, so those two are always on the same rank, and each
rank's own images are each other's partners in the same way: flipping a rank's share is its share of the flipped batch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def shard(n: int, rank: int, world: int) -> Tensor:
    """Give the positions of a rank's images in a batch of n, ascending int64 (m,): whole pairs (i, n-1-i).

    The shares of all ranks are the batch, each image once. They differ by at most two images; some are empty where
    the ranks outnumber the pairs.

    Args:
        n: [images] The whole batch. Of an odd one the image in the middle is a pair by itself.
        rank: In [0, world).
        world: Number of ranks.
    """
    pairs = (n + 1) // 2
    first, end = pairs * rank // world, pairs * (rank + 1) // world
    low, high = torch.arange(first, end), torch.arange(n - end, n - first)
    # Only the pair in the middle of an odd batch is in both.
    return torch.cat([low, high[high >= end]])


def smallest_share(n: int, world: int) -> int:
    """Give the number of images [images] of the rank that gets the fewest of a batch of n."""
    return min(len(shard(n, rank, world)) for rank in range(world))
