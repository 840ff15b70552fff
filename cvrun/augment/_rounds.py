"""One round of a policy, carried out: each sample goes through its operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from cvrun.augment import _enhance, _geometry, _levels
from cvrun.augment._magnitudes import GEOMETRIC, OPERATIONS, strengths
from cvrun.augment._move import Outside
from cvrun.augment._parts import change_some, chosen, pieces, put, take
from cvrun.augment._policies import Policy
from cvrun.pipeline import Batch

_PIXELWISE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "brightness": lambda x, strength: _enhance.brightness(x, 1 + strength),
    "color": lambda x, strength: _enhance.color(x, 1 + strength),
    "contrast": lambda x, strength: _enhance.contrast(x, 1 + strength),
    "sharpness": lambda x, strength: _enhance.sharpness(x, 1 + strength),
    "posterize": _levels.posterize,
    "solarize": lambda x, strength: _levels.solarize(x, 255 * strength),
    "autocontrast": lambda x, strength: _levels.autocontrast(x),
    "equalize": lambda x, strength: _levels.equalize(x),
    "invert": lambda x, strength: _levels.invert(x),
}
_GEOMETRIC = torch.tensor([name in GEOMETRIC for name in OPERATIONS])


def apply(batch: Batch, keys: Tensor, policy: Policy, interpolation: str, outside: Outside) -> Batch:
    """Give batch after the rounds that policy draws for keys; image uint8, masks moved along.

    A float image is rounded to whole levels first, on which the operations are defined.
    """
    image = batch.image if batch.image.dtype == torch.uint8 else batch.image.round().to(torch.uint8)
    target = batch.target
    table = strengths(policy.space, policy.bins, *image.shape[2:]).to(keys.device)
    for drawn in policy.draw(keys):
        strength = table[drawn.operation, drawn.magnitude] * drawn.sign
        moved = _GEOMETRIC.to(keys.device)[drawn.operation]
        if target.ndim == 3:
            target = move(target, moved, drawn.operation, strength, interpolation, outside.mask)
        # A round writes to memory of its own: operations do not overlap.
        result = move(image, moved, drawn.operation, strength, interpolation, outside.image)
        result = result.clone() if result is image else result
        for name, change in _PIXELWISE.items():
            for index in pieces(chosen(drawn.operation == OPERATIONS.index(name)), image):
                put(result, index, change(take(image, index), strength[index]))
        image = result
    return replace(batch, image=image, target=target)


def move(x: Tensor, moved: Tensor, operation: Tensor, strength: Tensor, interpolation: str, fill: int) -> Tensor:
    """Give images or masks x with the geometric operations done to the samples in moved, bool (B,)."""

    def change(part: Tensor, index: Tensor) -> Tensor:
        matrix = matrices(operation[index], strength[index], *x.shape[-2:])
        return _geometry.affine(part, matrix, interpolation, fill)

    return change_some(x, moved, change)


def matrices(operation: Tensor, strength: Tensor, height: int, width: int) -> Tensor:
    """Give the matrix of each geometric operation, float64 (n, 2, 3).

    Shears keep the upper left corner where it is, turns the middle; a turn is counter-clockwise; shifts are cut to
    whole pixels. All as in torchvision.
    """

    def of(name: str) -> Tensor:
        return torch.where(operation == OPERATIONS.index(name), strength, 0.0)

    shear = torch.rad2deg(torch.atan(torch.stack((of("shear_x"), of("shear_y")), dim=1)))
    shift = torch.stack((of("translate_x"), of("translate_y")), dim=1).trunc()
    corner = torch.tensor([-0.5 * width, -0.5 * height], dtype=torch.float64, device=strength.device)
    center = torch.where((shear != 0).any(dim=1, keepdim=True), corner, 0.0)
    angle = -torch.remainder(of("rotate"), 360)
    return _geometry.inverse(angle, shift, torch.ones_like(strength), shear, center)
