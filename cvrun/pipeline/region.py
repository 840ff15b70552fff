"""Regions of images that keep their own shape: drawn from a sample's key, cut out, brought to one size.

The whole path is 8-bit: cutting out of what is decoded, then one antialiased bilinear interpolation, as torchvision's
resized_crop does with an image tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cvrun.augment import Region


class Shaped(Protocol):
    """Images of different shapes, stored or not; `cvrun.pipeline.store.Ragged` and `cvrun.pipeline.stream.Stream`."""

    @property
    def targets(self) -> Tensor:
        """Class indices, int64 (N,)."""

    @property
    def index(self) -> Tensor:
        """Position of each image in the manifest, int64 (N,)."""

    def __len__(self) -> int:
        """Give the number of images."""

    def at(self, row: int) -> Tensor:
        """Give the image of a row, uint8 (h, w, C)."""


@dataclass(frozen=True)
class Regions:
    """A region of each image, another one for each key.

    Attributes:
        images: What the regions are cut out of.
        region: Draws them.
        size: [pixels] Height and width that each is brought to.
        slow: Whether `take` works long: always.
    """

    images: Shaped
    region: Region
    size: int
    slow: bool = True

    @property
    def targets(self) -> Tensor:
        """Class indices, int64 (N,)."""
        return self.images.targets

    @property
    def index(self) -> Tensor:
        """Position of each image in the manifest, int64 (N,)."""
        return self.images.index

    def __len__(self) -> int:
        """Give the number of images."""
        return len(self.images)

    def take(self, rows: Tensor, keys: Tensor) -> Tensor:
        """Give the regions that keys, int64 (B,), draw of the images at rows, as uint8 (B, size, size, C)."""
        whole = [self.images.at(row) for row in rows.tolist()]
        boxes = self.region(torch.tensor([image.shape[:2] for image in whole]), keys)
        batch = np.empty((len(whole), self.size, self.size, whole[0].shape[2]), dtype=np.uint8)
        for image, box, place in zip(whole, boxes.tolist(), batch, strict=True):
            place[:] = resized_crop(image, box, self.size)
        return torch.from_numpy(batch)


def resized_crop(image: Tensor, box: list[int], size: int) -> NDArray[np.uint8]:
    """Give the part of an image that a box holds, stretched to a square.

    Args:
        image: uint8 (h, w, C).
        box: Top, left, height, width [pixels], inside the image.
        size: [pixels] Of the square.

    Returns:
        uint8 (size, size, C), bilinear with antialiasing.
    """
    top, left, height, width = box
    # Rows that follow each other in memory let torch take its fast path for bytes; its copy would start threads.
    part = np.ascontiguousarray(image.numpy()[top : top + height, left : left + width])
    if (height, width) == (size, size):
        return part
    batch = torch.from_numpy(part).permute(2, 0, 1)[None]
    resized = functional.interpolate(batch, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return resized[0].permute(1, 2, 0).numpy()
