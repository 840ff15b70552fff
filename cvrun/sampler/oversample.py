"""Every class up to the size of the largest one, its images repeated equally often.

An epoch shows every image, and has more images than the training split: an image of a class that has to come 2.3
times as often comes twice, and 30 % of them, others each epoch, once more. Augmentation differs from one time to the
next. Validation and test stay as they are, so the probabilities are those of what was shown until `task.prior`
corrects them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvrun.errors import require
from cvrun.sampler import Sampler, Shown, require_every_class, require_no_weights, shares_of
from cvrun.sampler._turns import members, shuffled, turn


@dataclass(frozen=True)
class Config:
    """Keys of the sampler.

    Attributes:
        ratio: Images of a class that an epoch shows at least, as a fraction of those of the largest class.
    """

    ratio: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(0 < self.ratio <= 1, "ratio", self.ratio, "0 < ratio <= 1, a fraction of the largest class")


def build(config: Config, shown: Shown, seed: int) -> Sampler:
    """Give the sampler.

    Raises:
        RuleError: If a class has no image.
    """
    classes = members(shown.labels, shown.num_classes)
    sizes = _sizes(config, shown.counts).tolist()

    def repeated(epoch: int, k: int) -> Tensor:
        times, rest = divmod(sizes[k], len(classes[k]))
        return torch.cat([classes[k].repeat(times), turn(classes[k], rest, epoch, seed, "turn", k)])

    def order(epoch: int) -> Tensor:
        return shuffled([repeated(epoch, k) for k in range(len(classes))], seed, epoch)

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
    # 0.29 of 100 is a little less than 29 in binary.
    least = np.floor(config.ratio * counts.max() + 1e-9)
    sizes: NDArray[np.int64] = np.maximum(counts, least).astype(np.int64)
    return sizes
