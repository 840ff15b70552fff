"""Flips and shifts of a batch: row by row on a CPU, elsewhere flips alone as they are, shifts in one gather."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cvrun.augment import _ops
from cvrun.augment._parts import chosen, put, take
from cvrun.pipeline import to_device


def shift(
    x: Tensor, corner: Tensor, vflip: Tensor, hflip: Tensor, padding: int, padding_mode: str, fill: int = 0
) -> Tensor:
    """Give the windows of x that begin at corner, in x's own size, flipped where told.

    Args:
        x: Images (B, C, H, W) or masks (B, H, W), of any dtype.
        corner: First row and column of the window, int64 (B, 2), in [-padding, padding].
        vflip: Whether the window is read from its last row on, bool (B,), on corner's device.
        hflip: The same for columns.
        padding: [pixels] How far a window may reach over the border.
        padding_mode: As in _ops.window.
        fill: What "zeros" shows.

    Returns:
        A tensor of its own; images as a view of (B, H, W, C) memory.
    """
    if x.device.type == "cpu" and corner.device.type == "cpu":
        pixels = x.permute(0, 2, 3, 1) if x.ndim == 4 else x[..., None]
        moved = _by_rows(pixels, corner, vflip, padding, padding_mode, fill).permute(0, 3, 1, 2)
        index = chosen(hflip)
        put(moved, index, take(moved, index).flip(3))
        return moved if x.ndim == 4 else moved[:, 0]
    # On the CPU it is known without waiting whether anything is flipped top to bottom.
    upright = not (vflip.is_cuda or vflip.any())
    corner, vflip, hflip = (part if part.is_cuda else to_device(part, x.device) for part in (corner, vflip, hflip))
    if padding == 0:
        flipped = torch.where(_beside(hflip, x), x.flip(-1), x)
        return flipped if upright else torch.where(_beside(vflip, x), flipped.flip(-2), flipped)
    height, width = x.shape[-2:]
    rows = _ops.positions(corner[:, 0], vflip, height)
    columns = _ops.positions(corner[:, 1], hflip, width)
    return _ops.window(x, rows, columns, padding_mode, fill)


def _beside(values: Tensor, x: Tensor) -> Tensor:
    """Give values, (B,), with as many dimensions as x."""
    return values.view(-1, *(1,) * (x.ndim - 1))


def _by_rows(pixels: Tensor, corner: Tensor, vflip: Tensor, padding: int, padding_mode: str, fill: int) -> Tensor:
    """Give the windows of pixels (B, H, W, C), flipped top to bottom where told."""
    num, height, width, channels = pixels.shape
    framed = _framed(pixels, padding, padding_mode, fill)
    high, wide = framed.shape[1:3]
    rows = _ops.positions(corner[:, 0] + padding, vflip, height)
    first = (torch.arange(num)[:, None] * high + rows) * wide + corner[:, 1:] + padding
    # Every run of width pixels, wherever it begins: the runs overlap, so that no memory is needed for them.
    runs = framed.as_strided((num * high * wide - width + 1, width * channels), (channels, 1))
    return runs.index_select(0, first.flatten()).view(num, height, width, channels)


def _framed(pixels: Tensor, padding: int, padding_mode: str, fill: int) -> Tensor:
    """Give pixels with padding on each side."""
    if padding == 0:
        return pixels.contiguous()
    if padding_mode != "zeros":
        frame = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        return torch.from_numpy(np.pad(pixels.numpy(), frame, mode=padding_mode))  # type: ignore[call-overload]
    num, height, width, channels = pixels.shape
    framed = pixels.new_full((num, height + 2 * padding, width + 2 * padding, channels), fill)
    framed[:, padding : padding + height, padding : padding + width] = pixels
    return framed
