"""Losses that training minimizes; validation always reports plain cross-entropy.

Contract of an option module: a flat frozen dataclass `Config` and two functions, where counts are the training images
of each class, (K,): `build(config: Config, counts: NDArray[int64]) -> Loss` and
`class_weights(config: Config, counts: NDArray[int64]) -> NDArray[float64]`, how much a sample of each class counts.
To add one, write `cvrun/loss/NAME.py` and `configs/loss/NAME.yaml` (with `option: NAME`).
A loss is a quotient of two sums over samples, so that a batch processed in parts has the same mean as a whole one.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Loss(Protocol):
    """total(logits, target) / weight(target) is the mean loss."""

    def total(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give the weighted sum of the samples' losses, a float32 scalar.

        Args:
            logits: (B, K).
            target: Class indices, int64 (B,), or class probabilities, float (B, K).
        """

    def weight(self, target: Tensor) -> Tensor:
        """Give the sum of the samples' weights, a float32 scalar on target's device."""
