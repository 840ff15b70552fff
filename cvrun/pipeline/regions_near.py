"""Regions that a GPU cuts out and resizes: the processor copies bytes at most, so that it keeps up with the GPU.

The interpolation is that of regions made on the CPU, bilinear with antialiasing and 8 bits after each of its two
passes, written as two batched matrix products; levels may differ by one, and seldom by two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cvrun.augment import Region
from cvrun.pipeline import to_device
from cvrun.pipeline.store import Ragged

_AT_ONCE = 1 << 28
"""[pixel values] of boxes that are resized together; in 16 bits, with what is made of them, they take 2 GiB."""


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
            start = self.images.offsets[rows] + channels * (top * sizes[:, 1] + left)
            return resized(self.pixels, start, sizes[:, 1] * channels, height, width, self.size, channels)
        counts = channels * height * width
        start = counts.cumsum(0) - counts
        length = int(counts.sum()) + spare(width, channels)
        packed = torch.empty(length, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        self._pack(packed, rows, boxes, start)
        there = packed.to(self.device, non_blocking=True)
        return resized(there, start, width * channels, height, width, self.size, channels)

    def _pack(self, packed: Tensor, rows: Tensor, boxes: Tensor, start: Tensor) -> None:
        """Copy the part of each image that its box holds, one after another."""
        places = packed.numpy()
        for row, (top, left, height, width), at in zip(rows.tolist(), boxes.tolist(), start.tolist(), strict=True):
            part = self.images.at(row).numpy()[top : top + height, left : left + width]
            np.copyto(places[at : at + part.size].reshape(part.shape), part)


def spare(widths: Tensor, channels: int) -> int:
    """Give how many bytes stand behind the last image, so that a row as long as the longest can be read anywhere."""
    return _even(int(widths.max())) * channels


def _even(length: int) -> int:
    """Give the next multiple of eight: with others a matrix product takes three times as long."""
    return -length % 8 + length


def with_spare(images: Ragged, device: torch.device) -> Tensor:
    """Give all pixels of images on device, with spare() bytes behind them."""
    there = torch.zeros(
        len(images.pixels) + spare(images.sizes[:, 1], images.channels), dtype=torch.uint8, device=device
    )
    there[: len(images.pixels)] = images.pixels
    return there


def resized(
    pixels: Tensor, start: Tensor, stride: Tensor, height: Tensor, width: Tensor, size: int, channels: int
) -> Tensor:
    """Give boxes of pixels, each stretched to a square.

    Args:
        pixels: uint8 (bytes,), on any device, with spare() bytes at the end; the others are on the CPU.
        start: Where the first pixel of each box is [bytes], int64 (B,).
        stride: From a row of the image to the next one [bytes], int64 (B,).
        height: Of each box [pixels], int64 (B,).
        width: Of each box [pixels], int64 (B,).
        size: [pixels] Of the squares.
        channels: Of the images.

    Returns:
        uint8 (B, size, size, C), contiguous, where pixels are.
    """
    device, num = pixels.device, len(start)
    rows, columns = _even(int(height.max())), _even(int(width.max()))
    at_once = max(1, _AT_ONCE // (rows * columns * channels))
    if num > at_once:
        table = torch.stack((start, stride, height, width))
        groups = (table[:, at : at + at_once].unbind(0) for at in range(0, num, at_once))
        return torch.cat([resized(pixels, s, t, h, w, size, channels) for s, t, h, w in groups])
    start, stride, tall, wide = to_device(torch.stack((start, stride, height, width)), device).unbind(0)
    # Below the end of a box its last row stands, right of it anything; neither counts.
    y = torch.minimum(torch.arange(rows, device=device), tall[:, None] - 1)
    runs = pixels.as_strided((len(pixels) - columns * channels + 1, columns * channels), (1, 1))
    found = runs.index_select(0, (start[:, None] + y * stride[:, None]).flatten())
    # Levels are exact in 16 bits; products are added up in 32.
    kind = torch.float16 if device.type == "cuda" else torch.float32
    # Channels stand between rows and columns, so that each of the two products is one of plain matrices.
    image = found.view(num, rows, columns, channels).permute(0, 1, 3, 2).to(kind, memory_format=torch.contiguous_format)
    across = weights(wide, width, size, kind).mT
    image = torch.bmm(image.view(num, rows * channels, columns), across).round_().view(num, rows, channels * size)
    image = torch.bmm(weights(tall, height, size, kind), image).round_().view(num, size, channels, size)
    return image.permute(0, 1, 3, 2).to(torch.uint8, memory_format=torch.contiguous_format)


def weights(lengths: Tensor, known: Tensor, size: int, kind: torch.dtype) -> Tensor:
    """Give what each source pixel counts for each pixel of a resized line, (B, size, L) with L a multiple of eight.

    The triangle of bilinear interpolation, as wide as a target pixel where that is wider than a source pixel
    (antialiasing), with pixel centres at halves.

    Args:
        lengths: Source pixels of each line, int64 (B,), on any device.
        known: The same on the CPU, so that nobody waits.
        size: Target pixels.
        kind: Of the numbers.
    """
    longest = int(known.max())
    taps = min(2 * math.ceil(max(longest / size, 1.0)) + 1, longest)
    scale = (lengths / size)[:, None]
    centre = (torch.arange(size, device=lengths.device) + 0.5) * scale
    support = scale.clamp(min=1.0)
    # The first source pixel whose centre is inside the triangle; one more may stand on its edge.
    first = torch.minimum((centre - support).floor().long().clamp(min=0), (lengths - taps).clamp(min=0)[:, None])
    place = first[..., None] + torch.arange(taps, device=lengths.device)
    value = (1 - (place + 0.5 - centre[..., None]).abs() / support[..., None]).clamp(min=0)
    value = value * (place < lengths[:, None, None])
    value = value / value.sum(dim=2, keepdim=True)
    dense = torch.zeros(len(lengths), size, _even(longest), dtype=kind, device=lengths.device)
    return dense.scatter_(2, place, value.to(kind))
