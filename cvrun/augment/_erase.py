"""Random erasing and cutout: a rectangle of the image is lost."""

from __future__ import annotations

import torch
from torch import Tensor

from cvrun.augment import _boxes
from cvrun.augment._parts import change_some
from cvrun.rng import uniform

FILLS = ("zeros", "mean", "noise")


def erasing(
    image: Tensor,
    keys: Tensor,
    probability: float,
    area: tuple[float, float],
    ratio: tuple[float, float],
    filling: str,
) -> Tensor:
    """Give image with a random rectangle erased in some samples (Zhong et al. 2017, "Random erasing").

    Boxes are distributed as those of torchvision's RandomErasing: the first of ten that is smaller than the image both
    ways; where none is, the sample stays as it is. It writes height / width where this says width / height.

    Args:
        image: (B, C, H, W) in [0, 255].
        keys: int64 (B,).
        probability: That a sample loses a rectangle.
        area: [fraction of the image] Smallest and largest.
        ratio: Smallest and largest height / width.
        filling: One of FILLS: 0, the mean colour of the sample, or a random level for each pixel and channel.
    """
    hit = uniform(keys, 1, "erasing")[:, 0] < probability
    height, width = image.shape[2:]
    sizes = torch.tensor([[height, width]], device=keys.device).expand(len(keys), 2)
    heights, widths, places = _boxes.candidates(sizes, keys, "erasing box", area, (1 / ratio[1], 1 / ratio[0]))
    fits = (heights < height) & (widths < width)
    found, (rows, columns, down, across) = _boxes.first(fits, heights, widths, places[..., 0], places[..., 1])
    corner = _boxes.place(height - rows, down), _boxes.place(width - columns, across)
    boxes = torch.stack((*corner, rows, columns), dim=1)
    return change_some(
        image, hit & found, lambda part, index: _boxes.paste(part, boxes[index], _filled(part, keys[index], filling))
    )


def cutout(image: Tensor, keys: Tensor, side: int, filling: str) -> Tensor:
    """Give image with a square erased in each sample (DeVries and Taylor 2017, "Cutout").

    Its centre is uniform over the pixels, and what would lie outside the image is cut off.

    Args:
        image: (B, C, H, W) in [0, 255].
        keys: int64 (B,).
        side: [pixels] Of the square.
        filling: One of FILLS.
    """
    height, width = image.shape[2:]
    drawn = uniform(keys, 2, "cutout").double()
    before = torch.full_like(keys, side // 2)
    top, rows = _boxes.clipped((drawn[:, 0] * height).long(), before, side - before, height)
    left, columns = _boxes.clipped((drawn[:, 1] * width).long(), before, side - before, width)
    boxes = torch.stack((top, left, rows, columns), dim=1)
    return _boxes.paste(image, boxes, _filled(image, keys, filling))


def _filled(image: Tensor, keys: Tensor, filling: str) -> Tensor:
    """Give what stands in the erased part, (B, C, 1, 1) or (B, C, H, W)."""
    if filling == "zeros":
        return image.new_zeros(1, 1, 1, 1).expand(len(image), image.shape[1], 1, 1)
    if filling == "mean":
        return _mean(image)
    num, channels, height, width = image.shape
    levels = uniform(keys.to(image.device, non_blocking=True), channels * height * width, "erasing noise") * 256
    return levels.floor_().to(image.dtype).view(num, height, width, channels).permute(0, 3, 1, 2)


def _mean(image: Tensor) -> Tensor:
    """Give the mean colour of each sample, (B, C, 1, 1); of uint8 images rounded to a level."""
    num, channels, height, width = image.shape
    lines = image.permute(0, 2, 3, 1).reshape(num, height, width * channels)
    # Down the rows first, which are dense; in float64 the order of summation does not show after rounding.
    whole = image.dtype == torch.uint8
    columns = lines.sum(dim=1, dtype=torch.int64 if whole else torch.float64).view(num, width, channels)
    mean = columns.sum(dim=1).double() / (height * width)
    return (mean.round() if whole else mean).to(image.dtype)[:, :, None, None]
