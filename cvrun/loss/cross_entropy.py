"""Cross-entropy, with label smoothing and class weights.

The target of a sample is t = (1 - e) * t0 + e / K with t0 one-hot or soft (Szegedy et al. 2016, section 7), smoothed
once. Its loss is -sum_k w_k t_k log p_k and its weight sum_k w_k t_k, for hard and soft targets alike, so switching
mixup on does not change the scale of a weighted loss.
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
from cvrun.sampler._effective import check_beta, effective_number

BY_COUNT = ("balanced", "sqrt", "effective")
"""Class weights that follow from the number of training images."""


@dataclass(frozen=True)
class Config:
    """Keys of `loss=cross_entropy`.

    Attributes:
        label_smoothing: Share of a target that is spread over all classes, in [0, 1).
        class_weights: "none", or a number > 0 a class, or one that follows from the n_c training images of class c:
            "balanced" n / (K * n_c), "sqrt" in proportion to 1 / sqrt(n_c), "effective" to (1 - beta) /
            (1 - beta**n_c) (Cui et al. 2019); each is scaled so that the mean over the training images is 1.
        class_weights_beta: Of "effective": 0 is none, towards 1 it becomes "balanced".
    """

    label_smoothing: float
    class_weights: str | tuple[float, ...]
    class_weights_beta: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        smoothing, weights = self.label_smoothing, self.class_weights
        require(0 <= smoothing < 1, "label_smoothing", smoothing, "0 <= label_smoothing < 1")
        if isinstance(weights, str):
            names = ("none", *BY_COUNT)
            require(
                weights in names, "class_weights", weights, f"{', '.join(names)}, or a list with one number a class"
            )
        else:
            fine = len(weights) > 0 and all(math.isfinite(weight) and weight > 0 for weight in weights)
            require(fine, "class_weights", list(weights), "one number a class, each > 0")
        check_beta("class_weights_beta", self.class_weights_beta)


class CrossEntropy:
    """The two sums of the quotient."""

    def __init__(self, smoothing: float, weights: Tensor | None) -> None:
        """Keep the share to spread, and the class weights, float32 (K,), or None for 1 each."""
        self.smoothing = smoothing
        self.weights = weights

    def total(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give the weighted sum of the samples' losses, a float32 scalar.

        Args:
            logits: (B, K); computed in float32, also under autocast.
            target: Class indices, int64 (B,), or class probabilities, float (B, K).
        """
        soft = target.float() if target.is_floating_point() else target
        return functional.cross_entropy(
            logits.float(),
            soft,
            weight=self._weights(logits.device),
            label_smoothing=self.smoothing,
            reduction="sum",
        )

    def weight(self, target: Tensor) -> Tensor:
        """Give the sum of the samples' weights, a float32 scalar on target's device."""
        weights = self._weights(target.device)
        if weights is None:
            return torch.full((), float(target.shape[0]), device=target.device)
        # Elementwise on purpose: autocast would turn a matrix product into bfloat16.
        plain = (target.float() * weights).sum() if target.is_floating_point() else weights[target].sum()
        return (1.0 - self.smoothing) * plain + self.smoothing * target.shape[0] * weights.mean()

    def _weights(self, device: torch.device) -> Tensor | None:
        """Give the class weights on device; moved once, since a copy a step would stall it."""
        if self.weights is not None and self.weights.device != device:
            self.weights = self.weights.to(device)
        return self.weights


def build(config: Config, counts: NDArray[np.int64]) -> Loss:
    """Give the loss for classes with counts training images each, int64 (K,).

    Raises:
        RuleError: If a weight is missing or too many, or weights that follow from counts meet a class without images.
    """
    weights = torch.from_numpy(class_weights(config, counts)).float()
    return CrossEntropy(config.label_smoothing, None if config.class_weights == "none" else weights)


def class_weights(config: Config, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give how much a sample of each class counts, float64 (K,), for classes with counts training images each.

    Raises:
        RuleError: As build does.
    """
    wanted = config.class_weights
    if wanted == "none":
        return np.ones(len(counts))
    if not isinstance(wanted, str):
        rule = f"{len(counts)} numbers, one a class"
        require(len(wanted) == len(counts), "class_weights", list(wanted), rule)
        return np.array(wanted, dtype=np.float64)
    absent = np.flatnonzero(counts == 0).tolist()
    rule = f"a training image of every class, but there is none of class {', '.join(map(str, absent))}"
    require(not absent, "class_weights", wanted, rule, "give the weights as a list, or take the class out")
    if wanted == "balanced":
        balanced: NDArray[np.float64] = counts.sum() / (len(counts) * counts)
        return balanced
    raw = (
        counts.astype(np.float64) ** -0.5
        if wanted == "sqrt"
        else 1.0 / effective_number(counts, config.class_weights_beta)
    )
    scaled: NDArray[np.float64] = raw * (counts.sum() / (raw * counts).sum())
    return scaled
