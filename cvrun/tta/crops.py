"""Predicts five crops of the image, the centre and the corners, and perhaps their mirror images.

Krizhevsky et al. 2012 ("ImageNet Classification with Deep Convolutional Neural Networks", section 4.1) averaged ten.
A crop is smaller than the image, which the model has to accept, unless it is resized.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from cvrun.errors import one_of, require
from cvrun.tta import MERGES, TTA, View
from cvrun.tta._resampled import resized

PLACES = {"center": (0.5, 0.5), "top_left": (0, 0), "top_right": (0, 1), "bottom_left": (1, 0), "bottom_right": (1, 1)}
"""Name -> which share of what is cut off is cut off above, and on the left."""


@dataclass(frozen=True)
class Config:
    """Keys of the crops.

    Attributes:
        fraction: Of height and of width that a crop shows; from 0.5, so that the crops together show all of the image.
        mirrored: Whether each crop is seen left to right as well: ten views instead of five.
        resized: Whether a crop is brought to the size of the image.
        merge: How the predictions become one; one of cvrun.tta.MERGES.
    """

    fraction: float
    mirrored: bool
    resized: bool
    merge: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(0.5 <= self.fraction < 1, "fraction", self.fraction, "0.5 <= fraction < 1 [of height and width]")
        one_of("merge", self.merge, MERGES)


def build(config: Config) -> TTA:
    """Give the five or ten views; the first is the crop at the centre."""
    flips = (False, True) if config.mirrored else (False,)
    return TTA(tuple(_view(config, place, flipped) for flipped in flips for place in PLACES), config.merge)


def _view(config: Config, place: str, flipped: bool) -> View:
    def forward(image: Tensor) -> Tensor:
        size = image.shape[-2], image.shape[-1]
        (top, height), (left, width) = _spans(size, config.fraction, place)
        crop = image[..., top : top + height, left : left + width]
        crop = crop.flip(-1) if flipped else crop
        return resized(crop, size) if config.resized else crop

    def inverse(dense: Tensor, size: tuple[int, int]) -> Tensor:
        (top, height), (left, width) = _spans(size, config.fraction, place)
        crop = resized(dense, (height, width))
        crop = crop.flip(-1) if flipped else crop
        return functional.pad(crop, (left, size[1] - left - width, top, size[0] - top - height))

    kind = "interpolated" if config.resized else "part"
    return View(place + ("_hflip" if flipped else ""), forward, inverse, kind)


def _spans(size: tuple[int, int], fraction: float, place: str) -> list[tuple[int, int]]:
    """Give first pixel and number of pixels of a crop, down and across."""
    lengths = [math.ceil(round(whole * fraction, 6)) for whole in size]
    cut = [whole - length for whole, length in zip(size, lengths, strict=True)]
    return [(round(rest * share), length) for rest, share, length in zip(cut, PLACES[place], lengths, strict=True)]
