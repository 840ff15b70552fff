"""Affine maps of a batch: one matrix a sample, nearest or bilinear, for images and masks.

Matrices and grid are those of torchvision.transforms.v2.functional.affine, operation by operation, so that even a
pixel that lies half-way between two goes to the same side as there.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cvrun.augment._parts import pieces

INTERPOLATIONS = ("nearest", "bilinear")


def inverse(angle: Tensor, shift: Tensor, zoom: Tensor, shear: Tensor, center: Tensor) -> Tensor:
    """Give the maps from a pixel of the result to its place in the source, both measured from the image's middle.

    The forward map is translation * rotation * zoom * shear along y * shear along x, about center.

    Args:
        angle: [degrees] Of the rotation, clockwise on the screen, (B,).
        shift: [pixels] To the right and down, (B, 2).
        zoom: Factor > 0, (B,).
        shear: [degrees] Along x and along y, (B, 2), each within (-90, 90).
        center: [pixels] From the image's middle, x and y, (B, 2).

    Returns:
        float64 (B, 2, 3).
    """
    turn, slant = torch.deg2rad(angle.double()), torch.deg2rad(shear.double())
    tan_x, lean, zoom = torch.tan(slant[:, 0]), turn - slant[:, 1], zoom.double()
    a, c = torch.cos(lean) / torch.cos(slant[:, 1]), torch.sin(lean) / torch.cos(slant[:, 1])
    b, d = -(a * tan_x + torch.sin(turn)), torch.cos(turn) - c * tan_x
    # The determinant of the unzoomed matrix is 1.
    linear = torch.stack((d, -b, -c, a), dim=1).view(-1, 2, 2) / zoom[:, None, None]
    moved = (center + shift).double()
    offset = center.double() - (linear * moved[:, None, :]).sum(dim=2)
    return torch.cat((linear, offset[:, :, None]), dim=2)


def affine(x: Tensor, matrix: Tensor, interpolation: str, fill: int) -> Tensor:
    """Give x seen through matrix, in its own size and dtype.

    Args:
        x: Images (B, C, H, W) in [0, 255], uint8 (rounded to the nearest) or float32; or masks (B, H, W), which are
            always read at the nearest pixel.
        matrix: From inverse(), float64 (B, 2, 3), on any device.
        interpolation: "nearest" or "bilinear".
        fill: What stands outside the source.
    """
    result = torch.empty_like(x)
    for piece in pieces(torch.arange(len(x)), x):
        some = slice(int(piece[0]), int(piece[-1]) + 1)
        result[some] = _affine(x[some], matrix[some], interpolation, fill)
    return result


def _affine(x: Tensor, matrix: Tensor, interpolation: str, fill: int) -> Tensor:
    height, width = x.shape[-2:]
    # Divided where the matrix lies, often on the CPU: a new constant on a GPU would wait for the GPU.
    half = torch.tensor([0.5 * width, 0.5 * height], device=matrix.device)
    scaled = (matrix.to(torch.float32) / half[None, :, None]).to(x.device, non_blocking=True)
    across, down = _grid(scaled, height, width)
    if x.ndim == 3 or interpolation == "nearest":
        return _nearest(x, _pixel(down, height), _pixel(across, width), fill)
    grid = torch.stack((across, down), dim=-1)
    # Outside, grid_sample sees zeros: on a scale that begins at fill.
    seen = functional.grid_sample(x.to(torch.float32) - fill, grid, mode="bilinear", align_corners=False) + fill
    return (seen.round_() if x.dtype == torch.uint8 else seen).clamp_(0, 255)


def _grid(matrix: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Give where the pixels lie in the source, across and down, each (B, H, W) with its edges at -1 and 1."""
    scaled = matrix[..., None, None]
    x = torch.arange(width, device=matrix.device) - (width - 1) / 2
    y = (torch.arange(height, device=matrix.device) - (height - 1) / 2)[:, None]
    # addcmul rounds once: so does the matrix product that torchvision takes.
    across = torch.addcmul(x * scaled[:, 0, 0], y, scaled[:, 0, 1]).add_(scaled[:, 0, 2])
    down = torch.addcmul(x * scaled[:, 1, 0], y, scaled[:, 1, 1]).add_(scaled[:, 1, 2])
    return across, down


def _pixel(place: Tensor, length: int) -> Tensor:
    """Give the pixel at a place between -1 and 1, as a whole float, in place; as grid_sample computes it."""
    return place.add_(1).mul_(length).sub_(1).div_(2).round_()


def _nearest(x: Tensor, rows: Tensor, columns: Tensor, fill: int) -> Tensor:
    pixels = x.permute(0, 2, 3, 1) if x.ndim == 4 else x[..., None]
    num, height, width, channels = pixels.shape
    outside = (rows < 0) | (rows > height - 1) | (columns < 0) | (columns > width - 1)
    first = torch.arange(num, device=x.device)[:, None, None] * (height * width)
    flat = columns.long().add_(rows.long().mul_(width)).add_(first)
    # What is outside points to a pixel of its own behind the others.
    flat.masked_fill_(outside, num * height * width)
    table = torch.cat((pixels.reshape(-1, channels), pixels.new_full((1, channels), fill)))
    taken = table.index_select(0, flat.flatten()).view(num, height, width, channels)
    return taken.permute(0, 3, 1, 2) if x.ndim == 4 else taken[..., 0]
