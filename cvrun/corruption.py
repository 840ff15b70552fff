"""Corrupted images: blur, noise, JPEG, brightness and contrast in five severities, for an image the same each time.

Source: D. Hendrycks and T. Dietterich, Benchmarking neural network robustness to common corruptions and perturbations,
ICLR 2019, with the parameters of the authors' code: those of ImageNet-C for images of 224 pixels, those of CIFAR-10-C
for images of 32. Images of another size have the parameters of the nearer one (up to 84 pixels the second), and the
width of the blur grows with their side; nothing else depends on it. Other than there, levels are rounded, not cut, and
the blur mirrors the border.
"""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cvrun.augment._blur import blur as blurred
from cvrun.rng import key, sample_keys, uniform

SEVERITIES = (1, 2, 3, 4, 5)

_PARAMETERS = {
    224: {
        "blur": (1.0, 2.0, 3.0, 4.0, 6.0),
        "noise": (0.08, 0.12, 0.18, 0.26, 0.38),
        "jpeg": (25, 18, 15, 10, 7),
        "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
        "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    },
    32: {
        "blur": (0.4, 0.6, 0.7, 0.8, 1.0),
        "noise": (0.04, 0.06, 0.08, 0.09, 0.1),
        "jpeg": (80, 65, 58, 50, 40),
        "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
        "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    },
}
"""Side of the images [pixels] -> corruption -> the parameter of each severity."""

NAMES = tuple(_PARAMETERS[224])
"""Of the corruptions."""

_TRUNCATE = 4.0
"""[standard deviations] At which the Gaussian of the blur is cut, as in scipy and skimage."""


def parameter(name: str, severity: int, size: int) -> float:
    """Give the parameter of a corruption: what `blur`, `noise`, `jpeg`, `brightness` or `contrast` take.

    Args:
        name: One of NAMES.
        severity: One of SEVERITIES.
        size: Side of the images [pixels].
    """
    side = min(_PARAMETERS, key=lambda side: abs(math.log(size / side)))
    value = _PARAMETERS[side][name][severity - 1]
    return value * size / side if name == "blur" else value


def corrupt(image: Tensor, index: Tensor, name: str, severity: int) -> Tensor:
    """Give corrupted images, uint8 (B, C, H, W); an image's own are the same in every batch.

    Args:
        image: uint8 (B, C, H, W) of one side.
        index: Position of each image in the manifest, int64 (B,), on any device: what noise is drawn by.
        name: One of NAMES.
        severity: One of SEVERITIES.
    """
    value = parameter(name, severity, image.shape[-1])
    if name == "noise":
        return noise(image, index, value)
    if name == "jpeg":
        return jpeg(image, int(value))
    return {"blur": blur, "brightness": brightness, "contrast": contrast}[name](image, value)


def blur(image: Tensor, sigma: float) -> Tensor:
    """Give image smoothed by a Gaussian of sigma [pixels] > 0."""
    reach = int(_TRUNCATE * sigma + 0.5)
    return blurred(image, torch.full((len(image),), sigma, device=image.device), 2 * reach + 1)


def noise(image: Tensor, index: Tensor, deviation: float) -> Tensor:
    """Give image plus normal noise, independent in each channel and pixel, the same multiple of every deviation.

    Args:
        image: uint8 (B, C, H, W).
        index: int64 (B,).
        deviation: As a share of 255.
    """
    keys = sample_keys(key("corrupted", "noise"), index, torch.zeros_like(index)).to(image.device)
    # One by one: what a vectorized logarithm gives for a number may depend on where it stands.
    noisy = [one + 255 * deviation * _normal(its, one) for one, its in zip(image, keys[:, None], strict=True)]
    return _whole(torch.stack(noisy))


def jpeg(image: Tensor, quality: int) -> Tensor:
    """Give image after being saved as JPEG by Pillow; of other than one or three channels each by itself.

    Args:
        image: uint8 (B, C, H, W).
        quality: [1, 100].
    """
    together = image if image.shape[1] in (1, 3) else image.flatten(0, 1)[:, None]
    pixels = together.permute(0, 2, 3, 1).cpu().numpy()
    decoded = torch.from_numpy(np.stack([_saved(one, quality) for one in pixels]))
    return (
        decoded.permute(0, 3, 1, 2).to(image.device).reshape(image.shape).contiguous(memory_format=torch.channels_last)
    )


def brightness(image: Tensor, more: float) -> Tensor:
    """Give image with the V of HSV, the highest channel of a pixel, raised; hue and saturation stay.

    Args:
        image: uint8 (B, C, H, W).
        more: What is added, as a share of 255; the sum is at most 255.
    """
    wide = image.double()
    highest = wide.amax(dim=1, keepdim=True)
    raised = (highest + 255 * more).clamp_(max=255)
    # Black has no hue: it becomes grey.
    return _whole(torch.where(highest > 0, wide * (raised / highest.clamp(min=1)), raised))


def contrast(image: Tensor, share: float) -> Tensor:
    """Give image with a share, [0, 1], of its distance from the mean of each channel over the image."""
    # Sums of whole numbers are exact, in whatever order.
    mean = image.sum(dim=(2, 3), keepdim=True, dtype=torch.int64).double() / (image.shape[2] * image.shape[3])
    return _whole((image.double() - mean) * share + mean)


def _normal(its: Tensor, one: Tensor) -> Tensor:
    """Give standard normal numbers for a key, float64 of the shape of one (G. Box and M. Muller, 1958)."""
    half = (one.numel() + 1) // 2
    radius, angle = uniform(its, 2 * half, "normal").double().view(2, half)
    # 1 - u is never 0.
    radius, angle = torch.sqrt(-2 * torch.log(1 - radius)), 2 * math.pi * angle
    both = torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)])
    return both[: one.numel()].reshape(one.shape)


def _saved(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as opened:
        return np.asarray(opened, np.uint8).reshape(pixels.shape)


def _whole(values: Tensor) -> Tensor:
    return values.round_().clamp_(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)
