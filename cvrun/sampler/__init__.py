"""Samplers: which training images an epoch shows, and in which order.

Contract of an option module: a flat frozen dataclass `Config` and three functions, where shown is the training split:
`build(config: Config, shown: Shown, seed: int) -> Sampler`;
`images_per_epoch(config: Config, counts: NDArray[int64]) -> int`, the length of an order [images], for counts (K,)
images a class;
`shares(config: Config, shown: Shown) -> NDArray[float64]`, the expected share of each class in an order, (K,).
A sampler that draws by no weights of the data refuses them in `shares`, see `require_no_weights`.
To add one, write `cvrun/sampler/NAME.py` and `configs/sampler/NAME.yaml` (with `option: NAME`).
An order is a pure function of (seed, epoch): `generator(seed, "shuffle", epoch)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cvrun.errors import ConfigError, require

Sampler = Callable[[int], Tensor]
"""Epoch -> positions in the training split, int64 (images_per_epoch,)."""


@dataclass(frozen=True)
class Shown:
    """The training images as far as a sampler knows them.

    Attributes:
        labels: Class index of each image, int64 (N,).
        num_classes: K.
        weights: How much the data says that each image counts, float64 (N,), > 0; or None.
    """

    labels: NDArray[np.int64]
    num_classes: int
    weights: NDArray[np.float64] | None = None

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of images of each class, int64 (K,)."""
        return np.bincount(self.labels, minlength=self.num_classes).astype(np.int64)


def shares_of(sizes: NDArray[Any]) -> NDArray[np.float64]:
    """Give sizes >= 0 of classes as shares with the sum 1, float64 (K,)."""
    found: NDArray[np.float64] = sizes / sizes.sum()
    return found


def scaled(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give weights > 0 with the largest in [0.5, 1), float64 (N,), so that neither sums nor squares overflow.

    The factor is a power of two, so each stays as exact as it was.
    """
    found: NDArray[np.float64] = np.ldexp(weights, -int(np.frexp(weights.max())[1]))
    return found


def require_no_weights(shown: Shown) -> None:
    """See that the data has no weights, for a sampler that would pass over them.

    Raises:
        ConfigError: If it has.
    """
    if shown.weights is not None:
        message = "data.weight_column: the data has weights, expected sampler=weighted sampler.weighting=column"
        raise ConfigError(message, "no other sampler draws by them; data.weight_column=null leaves them out")


def require_every_class(key: str, value: object, counts: NDArray[np.int64]) -> None:
    """See that there is an image of every class, for a sampler that brings them to one number.

    Raises:
        RuleError: If not.
    """
    absent = ", ".join(map(str, np.flatnonzero(counts == 0)[:5].tolist()))
    rule = f"a training image of every class, but there is none of class {absent}"
    require(absent == "", key, value, rule, "take the class out of data.classes, or split differently")
