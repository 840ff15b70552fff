"""log(1 + scale * x), x from 0 to 1: spreads the dark levels; the inverse is (exp(y) - 1) / scale."""

from __future__ import annotations

from dataclasses import dataclass

from cvrun.normalize import Source
from cvrun.normalize._curve import Curve, require_scale


@dataclass(frozen=True)
class Config:
    """Keys of the curve.

    Attributes:
        scale: What the brightest level is before the curve; a larger one spreads the dark levels more.
    """

    scale: float

    def __post_init__(self) -> None:
        """Check the range."""
        require_scale("log1p", self.scale)


def build(config: Config, source: Source) -> Curve:
    """Give y = log(1 + scale * x), x from 0 to 1."""
    return Curve("log1p", config.scale)
