"""Every class down to a multiple of the rarest one, another part of the larger classes each epoch.

An epoch shows no image twice, and has fewer images than the training split. Validation and test stay as they are, so
the probabilities are those of what was shown until `task.prior` corrects them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cvrun.errors import require
from cvrun.sampler import Sampler, Shown, require_every_class, require_no_weights, shares_of
from cvrun.sampler._turns import members, shuffled, turn


@dataclass(frozen=True)
class Config:
    """Keys of the sampler.

    Attributes:
        ratio: Images of a class that an epoch shows at most, as a multiple of those of the rarest class.
    """

    ratio: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(1 <= self.ratio < float("inf"), "ratio", self.ratio, "ratio >= 1, a multiple of the rarest class")


def build(config: Config, shown: Shown, seed: int) -> Sampler:
    """Give the sampler.

    Raises:
        RuleError: If a class has no image.
    """
    classes = members(shown.labels, shown.num_classes)
    sizes = _sizes(config, shown.counts).tolist()

    def order(epoch: int) -> Tensor:
        pairs = enumerate(zip(classes, sizes, strict=True))
        return shuffled([turn(own, size, epoch, seed, "turn", k) for k, (own, size) in pairs], seed, epoch)

    return order


def images_per_epoch(config: Config, counts: NDArray[np.int64]) -> int:
    """Give the images of an epoch, for counts (K,).

    Raises:
        RuleError: If a class has no image.
    """
    return int(_sizes(config, counts).sum())


def shares(config: Config, shown: Shown) -> NDArray[np.float64]:
    """Give the share of each class in an epoch, float64 (K,); it is the same in all.

    Raises:
        ConfigError: If the data has weights.
        RuleError: If a class has no image.
    """
    require_no_weights(shown)
    return shares_of(_sizes(config, shown.counts))


def _sizes(config: Config, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the images of each class that an epoch shows, int64 (K,)."""
    require_every_class("ratio", config.ratio, counts)
    # 1.15 of 100 is a little less than 115 in binary.
    most = np.floor(config.ratio * counts.min() + 1e-9)
    sizes: NDArray[np.int64] = np.minimum(counts, most).astype(np.int64)
    return sizes
