"""Random geometry of a batch, drawn from the keys: flips and padded crops, and affine maps; masks move along."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cvrun.augment import _geometry
from cvrun.augment._shift import shift
from cvrun.pipeline import Batch
from cvrun.rng import uniform


@dataclass(frozen=True)
class Outside:
    """What stands where an image has no pixels.

    Attributes:
        image: Level, whole, in [0, 255].
        mask: Class.
    """

    image: int
    mask: int


ZEROS = Outside(image=0, mask=0)


@dataclass(frozen=True)
class Flips:
    """Ranges of flips and shifts.

    Attributes:
        hflip: Probability of a flip, left to right.
        vflip: Probability of a flip, top to bottom.
        padding: [pixels] On each side, before the image is cut to its size at a random place.
        padding_mode: What the padding shows, as in _shift.shift.
    """

    hflip: float
    vflip: float
    padding: int
    padding_mode: str


def flip_and_crop(batch: Batch, keys: Tensor, ranges: Flips, outside: Outside = ZEROS) -> Batch:
    """Give batch with random flips and shifts, all in one gather; the image keeps its dtype, a mask moves along."""
    places = 2 * ranges.padding + 1
    # In float64, because float32 rounds some products up to places.
    corner = (uniform(keys, 2, "crop").double() * places).long() - ranges.padding
    vflip = uniform(keys, 1, "vflip")[:, 0] < ranges.vflip
    hflip = uniform(keys, 1, "hflip")[:, 0] < ranges.hflip
    moves = (corner, vflip, hflip, ranges.padding, ranges.padding_mode)
    image, target = shift(batch.image, *moves, outside.image), batch.target
    return replace(batch, image=image, target=shift(target, *moves, outside.mask) if target.ndim == 3 else target)


@dataclass(frozen=True)
class Affine:
    """Ranges of random affine maps, each uniform; as torchvision's RandomAffine.

    Attributes:
        rotation: [degrees] Largest turn either way.
        translation: [fraction of height and of width] Largest shift either way, in whole pixels.
        zoom: Smallest and largest factor.
        shear: [degrees] Largest along x and along y, either way.
    """

    rotation: float
    translation: float
    zoom: tuple[float, float]
    shear: tuple[float, float]

    def matrices(self, keys: Tensor, height: int, width: int) -> Tensor:
        """Give a matrix a key, float64 (B, 2, 3)."""
        drawn = uniform(keys, 6, "affine").double()
        either_way = 2 * drawn - 1
        size = torch.tensor([width, height], device=keys.device)
        shift = (either_way[:, 1:3] * self.translation * size).round()
        zoom = self.zoom[0] + (self.zoom[1] - self.zoom[0]) * drawn[:, 3]
        shear = either_way[:, 4:6] * torch.tensor(self.shear, dtype=torch.float64, device=keys.device)
        middle = torch.zeros_like(shift)
        return _geometry.inverse(either_way[:, 0] * self.rotation, shift, zoom, shear, middle)


def affine(batch: Batch, keys: Tensor, ranges: Affine, interpolation: str, outside: Outside) -> Batch:
    """Give batch with a random affine map a sample; the image keeps its dtype, a mask is read at the nearest pixel."""
    matrix = ranges.matrices(keys, *batch.image.shape[-2:])
    image = _geometry.affine(batch.image, matrix, interpolation, outside.image)
    is_mask = batch.target.ndim == 3
    target = _geometry.affine(batch.target, matrix, "nearest", outside.mask) if is_mask else batch.target
    return replace(batch, image=image, target=target)
