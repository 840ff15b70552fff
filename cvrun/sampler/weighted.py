"""Draws with replacement, rare classes or chosen images more often; for unbalanced training sets.

An epoch has as many draws as the training split has images. Validation and test stay as they are, so the
probabilities are those of what was shown until `task.prior` corrects them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvrun.errors import one_of, require
from cvrun.rng import generator
from cvrun.sampler import Sampler, Shown, require_no_weights, scaled, shares_of
from cvrun.sampler._effective import check_beta, effective_number

Rule = Callable[[NDArray[np.int64], float], NDArray[np.float64]]
"""Images in the class of each image (N,), and beta -> the image's weight (N,)."""

BY_CLASS: dict[str, Rule] = {
    "inverse": lambda counts, beta: counts.astype(np.float64) ** -1.0,
    "sqrt": lambda counts, beta: counts.astype(np.float64) ** -0.5,
    "effective": lambda counts, beta: 1.0 / effective_number(counts, beta),
}
COLUMN = "column"


@dataclass(frozen=True)
class Config:
    """Keys of the sampler.

    Attributes:
        weighting: Weight of an image of a class with n images: "inverse" 1 / n, every class is shown equally often;
            "sqrt" 1 / sqrt(n), between that and the natural frequencies (Mahajan et al. 2018, "Exploring the limits
            of weakly supervised pretraining", section 2.2); "effective" (1 - beta) / (1 - beta**n) (Cui et al. 2019).
            "column": what the data says of each image.
        beta: Of "effective": 0 is natural, towards 1 it becomes "inverse".
    """

    weighting: str
    beta: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        one_of("weighting", self.weighting, (*BY_CLASS, COLUMN))
        check_beta("beta", self.beta)


def build(config: Config, shown: Shown, seed: int) -> Sampler:
    """Give the sampler; draws are keyed by (seed, epoch).

    Raises:
        ConfigError: If the data has weights that are not asked for.
        RuleError: If it has none of those that are.
    """
    number = len(shown.labels)
    cumulative = torch.from_numpy(np.cumsum(_weights(config, shown)))

    def order(epoch: int) -> Tensor:
        # torch.multinomial takes at most 2**24 images; a search in the cumulated weights takes any number.
        draws = torch.rand(number, dtype=torch.float64, generator=generator(seed, "shuffle", epoch))
        return torch.searchsorted(cumulative, draws * cumulative[-1], right=True).clamp_(max=number - 1)

    return order


def images_per_epoch(config: Config, counts: NDArray[np.int64]) -> int:
    """Give the number of draws: as many as there are images."""
    return int(counts.sum())


def shares(config: Config, shown: Shown) -> NDArray[np.float64]:
    """Give the expected share of each class among the draws, float64 (K,).

    Raises:
        ConfigError: If the data has weights that are not asked for.
        RuleError: If it has none of those that are.
    """
    return shares_of(np.bincount(shown.labels, weights=_weights(config, shown), minlength=shown.num_classes))


def _weights(config: Config, shown: Shown) -> NDArray[np.float64]:
    """Give the weight of each image, float64 (N,)."""
    if config.weighting != COLUMN:
        require_no_weights(shown)
        return BY_CLASS[config.weighting](shown.counts[shown.labels], config.beta)
    rule = "data with a weight for each image, such as data=csv with data.weight_column"
    require(shown.weights is not None, "weighting", COLUMN, rule)
    assert shown.weights is not None
    return scaled(shown.weights)
