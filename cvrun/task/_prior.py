"""Probabilities at other shares of the classes than those that training showed.

A model that was trained with shares q_k of the classes gives p(k | x) in proportion to p(x | k) q_k. At the shares r_k
its logits need ln(r_k / q_k) on top, whatever the image (Saerens et al. 2002, "Adjusting the outputs of a classifier to
new a priori probabilities", equation 2.4). Resampling without it gives probabilities that are too high for the rare
class, and ranks no better (van den Goorbergh et al. 2022, JAMIA, ocac093).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_NOTHING = 1e-9
"""A shift with a smaller spread is what is left of rounding."""


def shift_between(real: NDArray[np.float64], shown: NDArray[np.float64]) -> tuple[float, ...]:
    """Give what takes logits from the shares shown to the shares real, (K,); nothing where both are the same.

    Args:
        real: > 0, float64 (K,).
        shown: > 0, float64 (K,).
    """
    shift = np.log(real) - np.log(shown)
    return tuple(shift.tolist()) if np.ptp(shift) > _NOTHING else ()


def unshifted(logits: Tensor) -> Tensor:
    """Give logits as they are."""
    return logits


class Shifted:
    """Adds a number a class to logits."""

    def __init__(self, shift: Sequence[float]) -> None:
        """Keep the numbers, (K,)."""
        self.shift = torch.tensor(shift, dtype=torch.float32)

    def __call__(self, logits: Tensor) -> Tensor:
        """Give logits (B, K) float32 with the numbers added."""
        if self.shift.device != logits.device:
            # Once: a copy a batch would make a GPU wait.
            self.shift = self.shift.to(logits.device)
        return logits + self.shift
