"""Random colour of a batch, drawn from the keys: jitter, grey images and lighting."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cvrun.augment import _enhance, _ops
from cvrun.augment._parts import change_some, chosen, pieces, put, take
from cvrun.rng import uniform

Range = tuple[float, float]
Operation = Callable[[Tensor, Tensor], Tensor]

# Principal components of ImageNet's colours on [0, 1], from fb.resnet.torch, as in timm and torch's examples.
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


@dataclass(frozen=True)
class Step:
    """A change of colour with a parameter that is uniform in a range.

    Attributes:
        operation: (float32 images (n, C, H, W) in [0, 255], parameters float32 (n,)) -> the same.
        low: Smallest parameter.
        high: Largest.
        stream: Name of its numbers.
    """

    operation: Operation
    low: float
    high: float
    stream: str

    def parameters(self, keys: Tensor) -> Tensor:
        """Give the parameter of each key, float32 (n,)."""
        return self.low + (self.high - self.low) * uniform(keys, 1, self.stream)[:, 0]

    def __call__(self, image: Tensor, parameters: Tensor) -> Tensor:
        """Give image with each sample changed by its own parameter, (n,) on any device."""
        return self.operation(image, parameters.to(image.device, non_blocking=True))


def steps(brightness: float, contrast: float, saturation: float, hue: float) -> list[Step]:
    """Give the changes that are on, in this order; an argument is the largest change either way."""
    factors = (
        (brightness, _ops.brightness, "brightness"),
        (contrast, _ops.contrast, "contrast"),
        (saturation, _ops.saturation, "saturation"),
    )
    found = [Step(operation, max(0.0, 1 - x), 1 + x, stream) for x, operation, stream in factors if x > 0]
    return [*found, Step(_ops.hue, -hue, hue, "hue")] if hue > 0 else found


def jitter(image: Tensor, keys: Tensor, changes: list[Step], probability: float) -> Tensor:
    """Give image, float32, with the changes in an order that is random for each sample, as torchvision's ColorJitter.

    Nothing is cut to whole levels in between.
    """
    hit = uniform(keys, 1, "jitter")[:, 0] < probability
    order = uniform(keys, len(changes), "jitter order").argsort(dim=1, stable=True)
    parameters = [change.parameters(keys) for change in changes]
    result = torch.empty_like(image, dtype=torch.float32, memory_format=torch.channels_last)
    for piece in pieces(torch.arange(len(keys), device=keys.device), image):
        # Channel after channel in memory: blends with a grey image are four times faster there.
        part = take(image, piece).contiguous().to(torch.float32, copy=True)
        for place in order[piece].unbind(dim=1):
            for number, change in enumerate(changes):
                index = chosen(hit[piece] & (place == number))
                if len(index) == len(piece):
                    part = change(part, parameters[number][piece])
                elif len(index):
                    put(part, index, change(take(part, index), parameters[number][piece][index]))
        put(result, piece, part)
    return result


def grey(image: Tensor, keys: Tensor, probability: float) -> Tensor:
    """Give image with some samples grey, in its dtype; uint8 is cut to whole levels, as torchvision does."""
    if image.shape[1] == 1:
        return image
    luma = _enhance.luma if image.dtype == torch.uint8 else _ops.grey
    hit = uniform(keys, 1, "grey")[:, 0] < probability
    return change_some(image, hit, lambda part, index: luma(part).expand_as(part))


def lighting(image: Tensor, keys: Tensor, deviation: float) -> Tensor:
    """Give image, float32, with a shift of colour along the principal components (Krizhevsky et al. 2012, section 4.1).

    The shift is the sum of component * eigenvalue * N(0, deviation), the same for all pixels of a sample. A grey image
    stays as it is.
    """
    if image.shape[1] == 1:
        return image
    drawn = uniform(keys, 6, "lighting").double()
    # Box and Muller 1958; 1 - u is never 0.
    normal = torch.sqrt(-2 * torch.log(1 - drawn[:, :3])) * torch.cos(2 * math.pi * drawn[:, 3:])
    shift = lighting_shift(deviation * normal).to(torch.float32).to(image.device, non_blocking=True)
    num, channels, height, width = image.shape
    lines = image.permute(0, 2, 3, 1).reshape(num, height, width * channels)
    # Rows of width * 3 values, so that the innermost dimension is long.
    lit = (lines + shift.repeat(1, width)[:, None]).clamp_(0, 255)
    return lit.view(num, height, width, channels).permute(0, 3, 1, 2)


def lighting_shift(amount: Tensor) -> Tensor:
    """Give what is added to red, green and blue on [0, 255], (B, 3), for amount (B, 3) of each component."""
    values = torch.tensor(EIGENVALUES, dtype=amount.dtype, device=amount.device)
    vectors = torch.tensor(EIGENVECTORS, dtype=amount.dtype, device=amount.device)
    return 255 * ((amount * values)[:, None, :] * vectors).sum(dim=2)
