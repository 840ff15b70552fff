"""What changes the levels of 8-bit images one by one, to the definitions of torchvision's v2 functional.

Images are uint8 (B, C, H, W) with one channel or three.
"""

from __future__ import annotations

import torch
from torch import Tensor


def invert(x: Tensor) -> Tensor:
    """Give 255 - x."""
    return x.bitwise_not()


def posterize(x: Tensor, bits: Tensor) -> Tensor:
    """Give x with its highest bits only; bits (B,), whole numbers in [0, 8]."""
    mask = (256 - 2 ** (8 - bits.long())).to(torch.uint8).to(x.device, non_blocking=True)
    return x & mask[:, None, None, None]


def solarize(x: Tensor, threshold: Tensor) -> Tensor:
    """Give x with the levels from threshold (B,), in [0, 255], inverted."""
    # A whole level reaches the threshold when it reaches the next whole number; torchvision compares in float32.
    level = threshold.to(torch.float32).ceil().to(torch.uint8).to(x.device, non_blocking=True)
    # 255 where inverted, else 0; x ^ 255 is the inverse. Faster than a choice between two images.
    return x ^ (x >= level[:, None, None, None]).to(torch.uint8).neg_()


def autocontrast(x: Tensor) -> Tensor:
    """Give x with each channel's levels stretched to [0, 255]; a channel of one level stays as it is."""
    planes = x.contiguous()
    low, high = planes.amin(dim=(2, 3), keepdim=True).float(), planes.amax(dim=(2, 3), keepdim=True).float()
    flat = low == high
    scale = torch.where(flat, 1.0, (high - low) * (1 / 255))
    stretched = (planes - torch.where(flat, 0.0, low)).div_(scale).clamp_(0, 255)
    return stretched.to(torch.uint8).contiguous(memory_format=torch.channels_last)


def equalize(x: Tensor) -> Tensor:
    """Give x with each channel's levels spread evenly, by the integer scheme of Pillow's ImageOps.equalize."""
    num, channels, height, width = x.shape
    levels = x.contiguous().view(num * channels, height * width).long()
    counts = torch.zeros(num * channels, 256, dtype=torch.int32, device=x.device)
    counts.scatter_add_(1, levels, torch.ones(1, dtype=torch.int32, device=x.device).expand_as(levels))
    upto = counts.cumsum(dim=1)
    highest = upto.argmax(dim=1, keepdim=True)
    step = (height * width - counts.gather(1, highest)).div(255, rounding_mode="floor")
    spread = (upto[:, :-1] + step // 2).div(step.clamp(min=1), rounding_mode="floor").clamp_(0, 255)
    table = torch.nn.functional.pad(spread, (1, 0)).to(torch.uint8)
    same = torch.arange(256, device=x.device, dtype=torch.uint8).expand_as(table)
    table = torch.where(step == 0, same, table)
    result = table.gather(1, levels).view(num, channels, height, width)
    return result.contiguous(memory_format=torch.channels_last)
