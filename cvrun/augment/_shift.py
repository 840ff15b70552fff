"""Flips and shifts of a batch: sample by sample on a CPU, where rows are copied whole; elsewhere in one gather."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cvrun.augment import _ops
from cvrun.augment._parts import chosen, put, take


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
        moved = _by_sample(pixels, corner, vflip, padding, padding_mode, fill).permute(0, 3, 1, 2)
        index = chosen(hflip)
        put(moved, index, take(moved, index).flip(3))
        return moved if x.ndim == 4 else moved[:, 0]
    height, width = x.shape[-2:]
    rows = _ops.positions(corner[:, 0], vflip, height).to(x.device, non_blocking=True)
    columns = _ops.positions(corner[:, 1], hflip, width).to(x.device, non_blocking=True)
    return _ops.window(x, rows, columns, padding_mode, fill)


def _by_sample(pixels: Tensor, corner: Tensor, vflip: Tensor, padding: int, padding_mode: str, fill: int) -> Tensor:
    """Give the windows of pixels (B, H, W, C), flipped top to bottom where told."""
    height, width = pixels.shape[1:3]
    source = pixels.numpy()
    result = torch.full_like(pixels, fill, memory_format=torch.contiguous_format)
    out = result.numpy()
    if padding > 0 and padding_mode != "zeros":
        frame = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        source, corner = np.pad(source, frame, mode=padding_mode), corner + padding  # type: ignore[call-overload]
    for i, ((top, left), turned) in enumerate(zip(corner.tolist(), vflip.tolist(), strict=True)):
        # Without a frame, what lies outside is left out; it can be the whole window.
        above, before = max(0, -top), max(0, -left)
        rows, columns = slice(top + above, max(0, top + height)), slice(left + before, max(0, left + width))
        window = source[i, rows, columns]
        target = out[i, ::-1] if turned else out[i]
        target[above : above + window.shape[0], before : before + window.shape[1]] = window
    return result
