"""Draws with replacement that show rare classes more often; for unbalanced training sets.

An epoch has as many draws as the training split has images. Probabilities of the validation and test images are not
touched, so a model trained this way over-estimates rare classes until its outputs are corrected for the prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvrun.errors import one_of
from cvrun.rng import generator
from cvrun.sampler import Sampler

POWERS = {"inverse": 1.0, "sqrt": 0.5}
"""Weighting -> a in weight = count ** -a."""


@dataclass(frozen=True)
class Config:
    """Keys of the sampler.

    Attributes:
        weighting: Weight of an image of a class with n images: "inverse" 1 / n, every class is shown equally often;
            "sqrt" 1 / sqrt(n), between that and the natural frequencies (Mahajan et al. 2018, "Exploring the limits
            of weakly supervised pretraining", section 2.2).
    """

    weighting: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        one_of("weighting", self.weighting, POWERS)


def build(config: Config, labels: NDArray[np.int64], num_classes: int, seed: int) -> Sampler:
    """Give the sampler; draws are keyed by (seed, epoch).

    Args:
        config: The keys.
        labels: Class index of each training image, int64 (N,).
        num_classes: K.
        seed: Seed of the run.
    """
    counts = np.bincount(labels, minlength=num_classes)[labels]
    cumulative = torch.from_numpy(np.cumsum(counts.astype(np.float64) ** -POWERS[config.weighting]))

    def order(epoch: int) -> Tensor:
        # torch.multinomial takes at most 2**24 images; a search in the cumulated weights takes any number.
        draws = torch.rand(len(labels), dtype=torch.float64, generator=generator(seed, "shuffle", epoch))
        return torch.searchsorted(cumulative, draws * cumulative[-1], right=True).clamp_(max=len(labels) - 1)

    return order
