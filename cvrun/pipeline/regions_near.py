"""Regions that a GPU cuts out and resizes: the processor copies bytes at most, so that it keeps up with the GPU.

The interpolation is that of regions made on the CPU, bilinear with antialiasing and 8 bits after each of its two
passes, written as two batched matrix products; levels may differ by one, and seldom by two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cvrun.augment import Region
from cvrun.pipeline.feed import to_device
from cvrun.pipeline.store import Ragged


@dataclass(frozen=True)
class RegionsNear:
    """A region of each image, another one for each key, on a device.

    Attributes:
        images: What the regions are cut out of.
        pixels: Their pixels on the device, uint8 (bytes,), where they fit there; None: the boxes are copied there.
        region: Draws them.
        size: [pixels] Height and width that each is brought to.
        device: Where they are wanted.
        slow: Whether `take` works long: not the processor.
    """

    images: Ragged
    pixels: Tensor | None
    region: Region
    size: int
    device: torch.device
    slow: bool = False

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
        """Give the regions that keys, int64 (B,), draw of the images at rows, as uint8 (B, size, size, C) on device."""
        sizes = self.images.sizes[rows]
        boxes = self.region(sizes, keys)
        top, left, height, width = boxes.unbind(dim=1)
        channels = self.images.channels
        if self.pixels is not None:
            start = self.images.offsets[rows] // channels + top * sizes[:, 1] + left
            return resized(self.pixels.view(-1, channels), start, sizes[:, 1], height, width, self.size)
        counts = height * width
        start = counts.cumsum(0) - counts
        packed = torch.empty(int(counts.sum()), channels, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        self._pack(packed, rows, boxes, start)
        there = packed.to(self.device, non_blocking=True)
        return resized(there, start, width, height, width, self.size)

    def _pack(self, packed: Tensor, rows: Tensor, boxes: Tensor, start: Tensor) -> None:
        """Copy the part of each image that its box holds, one after another."""
        places = packed.numpy()
        for row, (top, left, height, width), at in zip(rows.tolist(), boxes.tolist(), start.tolist(), strict=True):
            part = self.images.at(row).numpy()[top : top + height, left : left + width]
            np.copyto(places[at : at + height * width].reshape(part.shape), part)


def resized(pixels: Tensor, start: Tensor, stride: Tensor, height: Tensor, width: Tensor, size: int) -> Tensor:
    """Give boxes of pixels, each stretched to a square.

    Args:
        pixels: uint8 (pixels, C), on any device; the others are on the CPU.
        start: Where the first pixel of each box is, int64 (B,).
        stride: From a row of the image to the next one [pixels], int64 (B,).
        height: Of each box [pixels], int64 (B,).
        width: Of each box [pixels], int64 (B,).
        size: [pixels] Of the squares.

    Returns:
        uint8 (B, size, size, C), where pixels are.
    """
    device = pixels.device
    rows, columns = int(height.max()), int(width.max())
    start, stride, tall, wide = (
        to_device(part, device) for part in torch.stack((start, stride, height, width)).unbind(0)
    )
    # Beyond the end of a box its last pixel stands; its weight is 0.
    y = torch.minimum(torch.arange(rows, device=device), tall[:, None] - 1)
    x = torch.minimum(torch.arange(columns, device=device), wide[:, None] - 1)
    places = (start[:, None] + y * stride[:, None])[:, :, None] + x[:, None, :]
    kind = torch.float16 if device.type == "cuda" else torch.float32
    found = pixels.index_select(0, places.flatten()).view(*places.shape, -1)
    image = found.permute(0, 3, 1, 2).to(kind)
    num, channels = image.shape[:2]
    across = weights(wide, columns, size).to(kind).mT
    image = torch.bmm(image.reshape(num, channels * rows, columns), across).round_().view(num, channels, rows, size)
    down = weights(tall, rows, size).to(kind)[:, None]
    return (down @ image).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def weights(lengths: Tensor, longest: int, size: int) -> Tensor:
    """Give what each source pixel counts for each pixel of a resized line, float32 (B, size, longest).

    The triangle of bilinear interpolation, as wide as a target pixel where that is wider than a source pixel
    (antialiasing), with pixel centres at halves.

    Args:
        lengths: Source pixels of each line, int64 (B,).
        longest: The largest of them.
        size: Target pixels.
    """
    scale = (lengths / size)[:, None, None]
    centre = (torch.arange(size, device=lengths.device)[:, None] + 0.5) * scale
    place = torch.arange(longest, device=lengths.device) + 0.5
    support = scale.clamp(min=1.0)
    value = (1 - (place - centre).abs() / support).clamp_(min=0) * (place < lengths[:, None, None])
    return value / value.sum(dim=2, keepdim=True)
