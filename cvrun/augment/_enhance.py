"""Brightness, colour, contrast and sharpness of 8-bit images, to the definitions of torchvision's v2 functional.

Images are uint8 (B, C, H, W) with one channel or three; a factor a sample, (B,) >= 0, of which 1 changes nothing. The
result is cut to whole numbers, not rounded, as torchvision does. Blends round once (addcmul), which is what its
scaled addition does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cvrun.augment._ops import LUMA
from cvrun.augment._parts import wide


def brightness(x: Tensor, factor: Tensor) -> Tensor:
    """Give x * factor."""
    return _whole(x * wide(factor, x))


def color(x: Tensor, factor: Tensor) -> Tensor:
    """Give x blended with its grey image; a grey x stays as it is."""
    if x.shape[1] == 1:
        return x
    planes = _planes(x)
    return _blend(planes, _luma(planes), factor)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Give x blended with the mean of its grey image."""
    planes = _planes(x)
    # Sums of whole numbers are exact in float64, in whatever order.
    total = _luma(planes).sum(dim=(1, 2, 3), keepdim=True, dtype=torch.float64)
    mean = total.to(torch.float32) / (x.shape[2] * x.shape[3])
    return _blend(planes, mean, factor)


def sharpness(x: Tensor, factor: Tensor) -> Tensor:
    """Give x blended with itself smoothed by [[1, 1, 1], [1, 5, 1], [1, 1, 1]] / 13, but for its border."""
    if min(x.shape[2:]) <= 2:
        return x
    planes = _planes(x)
    inner = planes[..., 1:-1, 1:-1]
    rows = planes[..., :-2, :] + planes[..., 1:-1, :] + planes[..., 2:, :]
    total = (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]).add_(inner, alpha=4)
    smooth = total.div_(13).round_()
    inner.copy_(torch.addcmul(inner, smooth - inner, wide(1 - factor.double(), x)))
    return _whole(planes)


def luma(x: Tensor) -> Tensor:
    """Give the grey image of x, uint8 (B, 1, H, W)."""
    return _luma(_planes(x)).to(torch.uint8)


def _blend(planes: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    share, rest = wide(factor, planes), wide(1 - factor.double(), planes)
    return _whole(torch.addcmul(planes * share, other, rest))


def _luma(planes: Tensor) -> Tensor:
    if planes.shape[1] == 1:
        return planes
    red, green, blue = planes[:, 0:1], planes[:, 1:2], planes[:, 2:3]
    return torch.add(red * LUMA[0], green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2]).floor_()


def _planes(x: Tensor) -> Tensor:
    """Give x as float32, channel after channel in memory, in which blends with a grey image are four times faster."""
    return x.contiguous().to(torch.float32, copy=True)


def _whole(x: Tensor) -> Tensor:
    return x.clamp_(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)
