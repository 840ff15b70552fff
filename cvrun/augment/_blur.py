"""Gaussian blur with a width a sample."""

from __future__ import annotations

import torch
from torch import Tensor

from cvrun.augment import _ops
from cvrun.augment._parts import change_some
from cvrun.rng import uniform


def random_blur(image: Tensor, keys: Tensor, probability: float, kernel: int, sigma: tuple[float, float]) -> Tensor:
    """Give image with some samples blurred, in its dtype; the width is uniform in sigma [pixels]."""
    hit = uniform(keys, 1, "blur")[:, 0] < probability
    width = sigma[0] + (sigma[1] - sigma[0]) * uniform(keys, 1, "blur sigma")[:, 0].double()
    return change_some(image, hit, lambda part, index: blur(part, width[index], kernel))


def blur(x: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Give x smoothed by a Gaussian cut to kernel x kernel pixels, mirrored at the border; uint8 is rounded.

    Args:
        x: (B, C, H, W) in [0, 255].
        sigma: [pixels] > 0, (B,).
        kernel: [pixels] Odd.
    """
    steps = torch.arange(kernel, dtype=torch.float64, device=sigma.device) - (kernel - 1) / 2
    weights = torch.softmax(-0.5 * (steps / sigma.double()[:, None]) ** 2, dim=1)
    weights = weights.to(torch.float32).to(x.device, non_blocking=True)
    planes = x.contiguous().to(torch.float32)
    for dim in (2, 3):
        planes = _along(planes, weights, dim)
    whole = planes.round_() if x.dtype == torch.uint8 else planes
    return whole.clamp_(0, 255).to(x.dtype).contiguous(memory_format=torch.channels_last)


def _along(x: Tensor, weights: Tensor, dim: int) -> Tensor:
    """Give the weighted sums along dim; a multiplication and an addition a tap, so that no batch size changes a bit."""
    length, taps = x.shape[dim], weights.shape[1]
    reach = taps // 2
    index = _ops.mirrored(torch.arange(-reach, length + reach, device=x.device), length)
    padded = x.index_select(dim, index)
    total = torch.zeros_like(x)
    for tap in range(taps):
        total += padded.narrow(dim, tap, length) * weights[:, tap, None, None, None]
    return total
