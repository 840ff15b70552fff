"""Pixel values brought from [0, 255] to [-1, 1]."""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.normalize import Source
from cvrun.normalize._affine import Affine


@dataclass(frozen=True)
class Config:
    """No keys: the range is fixed."""


def build(config: Config, source: Source) -> Affine:
    """Give y = (x / 255 - 0.5) / 0.5."""
    return Affine((0.5,) * source.channels, (0.5,) * source.channels)
