"""Binary cross-entropy of each label by itself, for images with any number of labels.

With targets t = (1 - e) * t0 + e / 2, t0 0 or 1 or mixed, and logits z, the loss of an image is the mean over labels of
-(w_k t_k log s(z_k) + (1 - t_k) log(1 - s(z_k))), s the logistic function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cvrun.errors import require
from cvrun.loss import Loss

TARGETS = ("labels",)


@dataclass(frozen=True)
class Config:
    """Keys of `loss=binary_cross_entropy`.

    Attributes:
        label_smoothing: Share of a target that is spread over having and not having a label, in [0, 1).
        positive_weights: "none", or a number > 0 a label, w_k.
    """

    label_smoothing: float
    positive_weights: str | tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the ranges."""
        smoothing, weights = self.label_smoothing, self.positive_weights
        require(0 <= smoothing < 1, "label_smoothing", smoothing, "0 <= label_smoothing < 1")
        rule = "none, or a list with one number a label"
        if isinstance(weights, str):
            require(weights == "none", "positive_weights", weights, rule)
            return
        fine = len(weights) > 0 and all(math.isfinite(weight) and weight > 0 for weight in weights)
        require(fine, "positive_weights", list(weights), f"{rule}, each > 0")


class BinaryCrossEntropy:
    """The two sums of the quotient."""

    def __init__(self, smoothing: float, weights: Tensor | None) -> None:
        """Keep the share to spread, and the weights of labels that are there, float32 (K,), or None for 1 each."""
        self.smoothing = smoothing
        self.weights = weights

    def total(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give the sum of the samples' losses, a float32 scalar.

        Args:
            logits: (B, K); computed in float32, also under autocast.
            target: Which labels an image has, uint8 (B, K), or mixed, float in [0, 1] (B, K).
        """
        if self.weights is not None and self.weights.device != logits.device:
            self.weights = self.weights.to(logits.device)
        wanted = (1 - self.smoothing) * target.float() + self.smoothing / 2
        found = functional.binary_cross_entropy_with_logits(
            logits.float(), wanted, pos_weight=self.weights, reduction="sum"
        )
        return found / logits.shape[1]

    def weight(self, target: Tensor) -> Tensor:
        """Give the number of samples, a float32 scalar on target's device."""
        return torch.full((), float(target.shape[0]), device=target.device)


def build(config: Config, counts: NDArray[np.int64]) -> Loss:
    """Give the loss for labels that counts training images have each, int64 (K,).

    Raises:
        RuleError: If a weight is missing or too many.
    """
    wanted = config.positive_weights
    if isinstance(wanted, str):
        return BinaryCrossEntropy(config.label_smoothing, None)
    require(len(wanted) == len(counts), "positive_weights", list(wanted), f"{len(counts)} numbers, one a label")
    return BinaryCrossEntropy(config.label_smoothing, torch.tensor(wanted, dtype=torch.float32))


def class_weights(config: Config, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give 1 for each set of labels: every image counts alike."""
    return np.ones(len(counts))
