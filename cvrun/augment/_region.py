"""Random-resized crops: which part of each image is seen (Szegedy et al. 2015, "Going deeper with convolutions")."""

from __future__ import annotations

import torch
from torch import Tensor

from cvrun.augment import Region, _boxes


def resized_crop(area: tuple[float, float], ratio: tuple[float, float]) -> Region:
    """Give the region whose boxes are distributed as those of torchvision's RandomResizedCrop.get_params.

    Of ten boxes the first is taken that fits into the image. Where none does, it is the largest central box whose
    ratio lies in the range.

    Args:
        area: [fraction of the image] Smallest and largest.
        ratio: Smallest and largest width / height, between which its logarithm is uniform.
    """

    def region(sizes: Tensor, keys: Tensor) -> Tensor:
        heights, widths, places = _boxes.candidates(sizes, keys, "region", area, ratio)
        full_height, full_width = sizes[:, 0], sizes[:, 1]
        fits = (widths > 0) & (widths <= full_width[:, None]) & (heights > 0) & (heights <= full_height[:, None])
        found, (height, width, down, across) = _boxes.first(fits, heights, widths, places[..., 0], places[..., 1])
        central_height, central_width = _central(full_height, full_width, ratio)
        height, width = torch.where(found, height, central_height), torch.where(found, width, central_width)
        high, wide = full_height - height, full_width - width
        top = torch.where(found, _boxes.place(high, down), high // 2)
        left = torch.where(found, _boxes.place(wide, across), wide // 2)
        return torch.stack((top, left, height, width), dim=1)

    return region


def _central(height: Tensor, width: Tensor, ratio: tuple[float, float]) -> tuple[Tensor, Tensor]:
    shape = width.double() / height
    low = (width / ratio[0]).round().long().clamp(min=1)
    narrow = (height * ratio[1]).round().long().clamp(min=1)
    rows = torch.where(shape < ratio[0], torch.minimum(low, height), height)
    return rows, torch.where(shape > ratio[1], torch.minimum(narrow, width), width)
