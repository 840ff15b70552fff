"""Decoded images that lie on the GPU: where they are small, nothing has to be copied in a step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cvrun.pipeline import Images, to_device
from cvrun.pipeline.store import Store

SHARE = 0.2
"""[fraction] of the free memory of a device that images may take; the rest is the model's."""


@dataclass(frozen=True)
class Resident:
    """Images of one shape on a device.

    Attributes:
        images: uint8 (N, H, W, C), on the device.
        targets: Class indices, int64 (N,), on the CPU.
        index: Position of each image in the manifest, int64 (N,), on the CPU.
        slow: Whether `take` works long: never.
    """

    images: Tensor
    targets: Tensor
    index: Tensor
    slow: bool = False

    def __len__(self) -> int:
        """Give the number of images."""
        return len(self.images)

    def take(self, rows: Tensor, keys: Tensor) -> Tensor:
        """Give the images at rows, int64 (B,) on the CPU, as uint8 (B, H, W, C) on the device; nothing is drawn."""
        return self.images.index_select(0, to_device(rows, self.images.device))


def near(images: Images, device: torch.device) -> Images:
    """Give images as they are, or on a CUDA device where they are all decoded and small enough for its memory."""
    if isinstance(images, Store) and fits(images.images, device):
        return Resident(images.images.to(device), images.targets, images.index)
    return images


def fits(pixels: Tensor, device: torch.device) -> bool:
    """Give whether device is a CUDA device whose memory takes the pixels and leaves most of it."""
    return device.type == "cuda" and pixels.nbytes <= SHARE * torch.cuda.mem_get_info(device)[0]
