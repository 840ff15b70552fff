"""Turns by any angle and changes of size, which read an image between its pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def rotated(image: Tensor, angle: float, padding_mode: str) -> Tensor:
    """Give image (B, C, H, W) float32 turned about its middle, in its own size, read bilinearly.

    Args:
        image: What is turned.
        angle: [degrees] Counterclockwise.
        padding_mode: What stands outside: "zeros", "reflection" or "border" (the nearest pixel).
    """
    height, width = image.shape[-2:]
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x = torch.arange(width, device=image.device) - (width - 1) / 2
    y = (torch.arange(height, device=image.device) - (height - 1) / 2)[:, None]
    # Where a pixel of the result lies in the source, whose edges are at -1 and 1. Term by term, since autocast would
    # round the product of matrices that is in affine_grid.
    grid = torch.stack(((cos * x - sin * y) / (width / 2), (sin * x + cos * y) / (height / 2)), dim=-1)
    return functional.grid_sample(
        image, grid.expand(len(image), -1, -1, -1), mode="bilinear", padding_mode=padding_mode, align_corners=False
    )


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Give image (B, C, H, W) float32 at another height and width, bilinearly; smoothed before it becomes smaller."""
    if tuple(image.shape[-2:]) == size:
        return image
    return functional.interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True)
