"""No augmentation: the images as they are."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cvrun.augment import Augment
from cvrun.pipeline import Batch


@dataclass(frozen=True)
class Config:
    """No keys: nothing happens."""


def build(config: Config, num_classes: int) -> Augment:
    """Give the function that gives the batch back."""

    def augment(batch: Batch, keys: Tensor) -> Batch:
        return batch

    return Augment(augment)
