"""Tasks: what a prediction is, what the loss compares, what is measured.

Contract of an option module: a flat frozen dataclass `Config` and two functions:
`build(config: Config, loss: Loss, metrics: tuple[Metric, ...], shift: tuple[float, ...]) -> Task` and
`prior_shift(config: Config, natural: NDArray[float64], shown: NDArray[float64]) -> tuple[float, ...]`, which is called
once, before training, with the shares (K,) of the classes among the training images and in what training minimizes;
its result travels with the checkpoint and is given to every build as shift, () where there is none.
To add one (segmentation, detection), write `cvrun/task/NAME.py` and `configs/task/NAME.yaml` (with `option: NAME`);
the trainer calls these five methods and knows nothing else about targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from cvrun.metric import Prediction
from cvrun.pipeline import Batch
from cvrun.tta import TTA


class Task(Protocol):
    """The five things that differ between tasks."""

    def loss(self, model: nn.Module, part: Batch, whole: Batch) -> Tensor:
        """Give part's share of the mean loss over whole; the shares of all parts add up to that mean."""

    def weight(self, whole: Batch) -> Tensor:
        """Give the sum of weights that the mean loss over whole was divided by, a float32 scalar."""

    def predict(self, model: nn.Module, image: Tensor, tta: TTA) -> Tensor:
        """Give probabilities (B, K, ...) float32 of normalized images (B, C, H, W); plain when tta is off."""

    def metrics(self, prediction: Prediction) -> dict[str, float]:
        """Give every metric by its name."""

    def details(self, prediction: Prediction, classes: Sequence[str]) -> dict[str, Any]:
        """Give what does not fit into one number, as plain values: a table a class, a confusion matrix."""
