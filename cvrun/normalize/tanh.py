"""tanh(scale * x), x from 0 to 1: nearly linear, then saturates; the inverse is artanh(y) / scale."""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.normalize import Source
from cvrun.normalize._curve import Curve, require_scale


@dataclass(frozen=True)
class Config:
    """Keys of the curve.

    Attributes:
        scale: What the brightest level is before the curve; a larger one saturates earlier.
    """

    scale: float

    def __post_init__(self) -> None:
        """Check the range."""
        require_scale("tanh", self.scale)


def build(config: Config, source: Source) -> Curve:
    """Give y = tanh(scale * x), x from 0 to 1."""
    return Curve("tanh", config.scale)
