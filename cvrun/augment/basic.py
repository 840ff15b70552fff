"""Flips, padded crops and changes of colour: the standard augmentation of small images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cvrun.augment import Augment, _colour, _ops
from cvrun.augment._move import Flips, flip_and_crop
from cvrun.errors import one_of, require
from cvrun.physical import Pixels
from cvrun.pipeline import Batch


@dataclass(frozen=True)
class Config:
    """Keys of the augmentation; 0 switches an operation off.

    Attributes:
        hflip: Probability of a flip, left to right.
        vflip: Probability of a flip, top to bottom.
        crop_padding: The image is padded by this on each side and cut to its size at a random place [pixels].
        padding_mode: What the padding shows: zeros, reflect (mirrored) or edge (the nearest pixel).
        brightness: Largest change x of the factor, which is uniform in [max(0, 1 - x), 1 + x].
        contrast: The same for the distance from the mean grey.
        saturation: The same for the distance from the grey image.
        hue: Largest turn of the hue either way [fraction of the full circle].
    """

    hflip: float
    vflip: float
    crop_padding: Pixels
    padding_mode: str
    brightness: float
    contrast: float
    saturation: float
    hue: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        for key in ("hflip", "vflip"):
            require(0 <= getattr(self, key) <= 1, key, getattr(self, key), f"0 <= {key} <= 1 [probability]")
        require(self.crop_padding >= 0, "crop_padding", self.crop_padding, "crop_padding >= 0 [pixels]")
        one_of("padding_mode", self.padding_mode, _ops.PADDING_MODES)
        for key in ("brightness", "contrast", "saturation"):
            require(0 <= getattr(self, key) < float("inf"), key, getattr(self, key), f"{key} >= 0 [change of factor]")
        require(0 <= self.hue <= 0.5, "hue", self.hue, "0 <= hue <= 0.5 [fraction of the circle]")


def build(config: Config, num_classes: int) -> Augment:
    """Give the augmentation: geometry first, then brightness, contrast, saturation and hue, in this order.

    Geometry moves masks along, and what it brings in from outside is class 0 there with padding_mode "zeros". With no
    change of colour the image keeps its dtype, else it becomes float32. Images of one channel have no saturation and
    no hue, which leave them as they are.
    """
    moves = max(config.hflip, config.vflip, config.crop_padding) > 0
    flips = Flips(config.hflip, config.vflip, config.crop_padding, config.padding_mode)
    colour = _colour.steps(config.brightness, config.contrast, config.saturation, config.hue)

    def augment(batch: Batch, keys: Tensor) -> Batch:
        if moves:
            batch = flip_and_crop(batch, keys, flips)
        if not colour:
            return batch
        image = batch.image.to(torch.float32)
        for step in colour:
            image = step(image, step.parameters(keys))
        return replace(batch, image=image)

    keys_on = (key for key in ("contrast", "saturation", "hue") if getattr(config, key) > 0)
    return Augment(augment, of_colour=tuple(keys_on))
