"""From a manifest to batches on the device: decode once, gather, augment, normalize.

`Batch` is what data, augmentation, task and trainer share. Images stay uint8 until the device has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Some images with their targets.

    Attributes:
        image: (B, C, H, W); uint8 or float32 in [0, 255] until normalized, then float32.
        target: Class indices, int64 (B,); or which labels an image has, uint8 (B, K); or masks, int64 (B, H, W), which
            geometric augmentation moves along.
        index: Position of each image in the manifest, int64 (B,).
    """

    image: Tensor
    target: Tensor
    index: Tensor

    def __len__(self) -> int:
        """Give the number of images."""
        return int(self.image.shape[0])

    def parts(self, num: int) -> list[Batch]:
        """Give the batch cut into num parts whose sizes differ by at most one, in order; num <= len(self)."""
        if num == 1:
            return [self]
        fields = (self.image.tensor_split(num), self.target.tensor_split(num), self.index.tensor_split(num))
        return [Batch(*part) for part in zip(*fields, strict=True)]


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Give a tensor of the CPU on device; nobody waits for the copy."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values


class Images(Protocol):
    """The images of a part of a split, whether they lie in memory, on disk or in their files."""

    @property
    def targets(self) -> Tensor:
        """Class indices, int64 (N,)."""

    @property
    def index(self) -> Tensor:
        """Position of each image in the manifest, int64 (N,)."""

    @property
    def slow(self) -> bool:
        """Whether `take` works long enough for a batch to be taken ahead, in threads."""

    def __len__(self) -> int:
        """Give the number of images."""

    def take(self, rows: Tensor, keys: Tensor) -> Tensor:
        """Give the images at rows in the form of the data, in memory of their own; from any thread.

        Args:
            rows: int64 (B,), on the CPU.
            keys: int64 (B,), on the CPU; what is drawn for an image, such as the region that is cut out, is a function
                of its key.

        Returns:
            uint8 (B, H, W, C), on the CPU, or on the device where the images lie there.
        """
