"""arctan(scale * x), x from 0 to 1: nearly linear, then saturates slowly; the inverse is tan(y) / scale."""

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
        require_scale("atan", self.scale)


def build(config: Config, source: Source) -> Curve:
    """Give y = arctan(scale * x), x from 0 to 1."""
    return Curve("atan", config.scale)
