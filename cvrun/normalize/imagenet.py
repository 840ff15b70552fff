"""Mean and standard deviation of ImageNet's training images, whatever the data at hand."""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.normalize import Source, for_channels
from cvrun.normalize._affine import Affine

# The constants of torchvision's reference training, and of every model trained like it.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Config:
    """No keys: the constants are fixed."""


def build(config: Config, source: Source) -> Affine:
    """Give the normalization; grey images get the mean over the three channels."""
    return for_channels(MEAN, STD, source.channels)
