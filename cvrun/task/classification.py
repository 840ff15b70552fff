"""One class an image: cross-entropy, probabilities, classification metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cvrun.loss import Loss
from cvrun.metric import Metric, Prediction
from cvrun.metric._table import confusion_matrix, per_class
from cvrun.pipeline import Batch
from cvrun.tta import TTA, merge_views


@dataclass(frozen=True)
class Config:
    """No keys."""


@dataclass(frozen=True)
class Classification:
    """The task; see `cvrun.task.Task`."""

    loss_function: Loss
    measured: tuple[Metric, ...]

    def loss(self, model: nn.Module, part: Batch, whole: Batch) -> Tensor:
        """Give part's share of the mean loss over whole, a float32 scalar."""
        logits = model(part.image)
        return self.loss_function.total(logits, part.target) / self.weight(whole)

    def weight(self, whole: Batch) -> Tensor:
        """Give the sum of the samples' weights, a float32 scalar."""
        return self.loss_function.weight(whole.target)

    def predict(self, model: nn.Module, image: Tensor, tta: TTA) -> Tensor:
        """Give probabilities (B, K) float32 of normalized images (B, C, H, W)."""
        if not tta:
            return torch.softmax(model(image).float(), dim=1)
        return merge_views(torch.stack([model(view.forward(image)).float() for view in tta.views]), tta.merge)

    def metrics(self, prediction: Prediction) -> dict[str, float]:
        """Give every metric by its name."""
        return {metric.name: metric.compute(prediction) for metric in self.measured}

    def details(self, prediction: Prediction, classes: Sequence[str]) -> dict[str, Any]:
        """Give a row for each class, and the confusion matrix (rows are the truth)."""
        rows = [{"class": name, **row} for name, row in zip(classes, per_class(prediction), strict=True)]
        return {"per_class": rows, "confusion_matrix": confusion_matrix(prediction).tolist()}


def build(config: Config, loss: Loss, metrics: tuple[Metric, ...]) -> Classification:
    """Give the task.

    Args:
        config: No keys.
        loss: What training minimizes.
        metrics: What an evaluation measures.
    """
    return Classification(loss, metrics)
