"""One class an image: cross-entropy, probabilities, classification metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvrun.errors import require
from cvrun.loss import Loss
from cvrun.metric import Metric, Prediction
from cvrun.metric._table import confusion_matrix, per_class, undefined
from cvrun.pipeline import Batch
from cvrun.task._prior import Shifted, shift_between, unshifted
from cvrun.tta import TTA
from cvrun.tta._passes import predict_labels

PRIORS = ("none", "train")


@dataclass(frozen=True)
class Config:
    """Keys of the task.

    Attributes:
        prior: The shares of the classes at which probabilities are given: "none" those that training showed, by
            sampler and class weights; "train" those of the training images; or a share > 0 a class, sum 1.
    """

    prior: str | tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the ranges."""
        prior = self.prior
        rule = "none, train, or a list with one share a class"
        if isinstance(prior, str):
            require(prior in PRIORS, "prior", prior, rule)
            return
        fine = len(prior) > 0 and all(math.isfinite(share) and share > 0 for share in prior)
        require(fine, "prior", list(prior), f"{rule}, each > 0")
        require(abs(sum(prior) - 1) <= 1e-6, "prior", list(prior), "shares with the sum 1", f"it is {sum(prior):g}")


@dataclass(frozen=True)
class Classification:
    """The task; see `cvrun.task.Task`."""

    loss_function: Loss
    measured: tuple[Metric, ...]
    at_prior: Callable[[Tensor], Tensor]

    def loss(self, model: nn.Module, part: Batch, whole: Batch) -> Tensor:
        """Give part's share of the mean loss over whole, a float32 scalar."""
        logits = model(part.image)
        return self.loss_function.total(logits, part.target) / self.weight(whole)

    def weight(self, whole: Batch) -> Tensor:
        """Give the sum of the samples' weights, a float32 scalar."""
        return self.loss_function.weight(whole.target)

    def predict(self, model: nn.Module, image: Tensor, tta: TTA) -> Tensor:
        """Give probabilities (B, K) float32 of normalized images (B, C, H, W)."""

        def logits(seen: Tensor) -> Tensor:
            return self.at_prior(model(seen).float())

        return predict_labels(logits, image, tta) if tta else torch.softmax(logits(image), dim=1)

    def metrics(self, prediction: Prediction) -> dict[str, float]:
        """Give every metric by its name."""
        return {metric.name: metric.compute(prediction) for metric in self.measured}

    def details(self, prediction: Prediction, classes: Sequence[str]) -> dict[str, Any]:
        """Give a row for each class, the confusion matrix (rows: truth), and how many classes each mean leaves out."""
        rows = [{"class": name, **row} for name, row in zip(classes, per_class(prediction), strict=True)]
        matrix = confusion_matrix(prediction).tolist()
        return {"per_class": rows, "confusion_matrix": matrix, "undefined": undefined(prediction)}


def build(config: Config, loss: Loss, metrics: tuple[Metric, ...], shift: tuple[float, ...]) -> Classification:
    """Give the task.

    Args:
        config: The keys; what they mean in numbers is in shift.
        loss: What training minimizes.
        metrics: What an evaluation measures.
        shift: What prior_shift gave.
    """
    return Classification(loss, metrics, Shifted(shift) if shift else unshifted)


def prior_shift(config: Config, natural: NDArray[np.float64], shown: NDArray[np.float64]) -> tuple[float, ...]:
    """Give what is added to the logits of each class before they become probabilities, (K,); nothing: they stay.

    Args:
        config: The keys.
        natural: Share of each class among the training images, float64 (K,).
        shown: Share of each class in what training minimizes, after sampler and class weights, float64 (K,).

    Raises:
        RuleError: If a class has no share, or the list has another length.
    """
    if config.prior == "none":
        return ()
    absent = ", ".join(map(str, np.flatnonzero((natural <= 0) | (shown <= 0))[:5].tolist()))
    value = config.prior if isinstance(config.prior, str) else list(config.prior)
    require(absent == "", "prior", value, f"a training image of every class, but there is none of class {absent}")
    if config.prior == "train":
        return shift_between(natural, shown)
    require(len(config.prior) == len(shown), "prior", value, f"{len(shown)} shares, one a class")
    return shift_between(np.array(config.prior), shown)
