"""Any number of labels an image: each by itself, with a probability of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvrun.loss import Loss
from cvrun.metric import Metric, Prediction
from cvrun.metric._table import per_class, two_by_two, undefined
from cvrun.pipeline import Batch
from cvrun.tta import TTA
from cvrun.tta._passes import predict_labels

TARGETS = ("labels",)


@dataclass(frozen=True)
class Config:
    """No keys: an image has the labels whose probability is 0.5 or more."""


@dataclass(frozen=True)
class Multilabel:
    """The task; see `cvrun.task.Task`."""

    loss_function: Loss
    measured: tuple[Metric, ...]

    def loss(self, model: nn.Module, part: Batch, whole: Batch) -> Tensor:
        """Give part's share of the mean loss over whole, a float32 scalar."""
        return self.loss_function.total(model(part.image), part.target) / self.weight(whole)

    def weight(self, whole: Batch) -> Tensor:
        """Give the sum of the samples' weights, a float32 scalar."""
        return self.loss_function.weight(whole.target)

    def predict(self, model: nn.Module, image: Tensor, tta: TTA) -> Tensor:
        """Give probabilities (B, K) float32, each in [0, 1] by itself, of normalized images (B, C, H, W)."""

        def against_none(seen: Tensor) -> Tensor:
            # A label is one of two classes of its own, so views are merged by the rules for classes.
            logits = model(seen).float()
            return torch.stack((torch.zeros_like(logits), logits), dim=1)

        return predict_labels(against_none, image, tta)[:, 1] if tta else torch.sigmoid(model(image).float())

    def metrics(self, prediction: Prediction) -> dict[str, float]:
        """Give every metric by its name."""
        return {metric.name: metric.compute(prediction) for metric in self.measured}

    def details(self, prediction: Prediction, classes: Sequence[str]) -> dict[str, Any]:
        """Give a row for each label with its 2x2 table, and how many labels each mean leaves out."""
        tables = two_by_two(prediction)
        rows = [
            {"class": name, **row, "confusion": table}
            for name, row, table in zip(classes, per_class(prediction), tables, strict=True)
        ]
        return {"per_class": rows, "undefined": undefined(prediction)}


def build(config: Config, loss: Loss, metrics: tuple[Metric, ...], shift: tuple[float, ...]) -> Multilabel:
    """Give the task.

    Args:
        config: No keys.
        loss: What training minimizes.
        metrics: What an evaluation measures.
        shift: Nothing, see prior_shift.
    """
    return Multilabel(loss, metrics)


def prior_shift(config: Config, natural: NDArray[np.float64], shown: NDArray[np.float64]) -> tuple[float, ...]:
    """Give nothing: probabilities are at the shares that training showed."""
    return ()
