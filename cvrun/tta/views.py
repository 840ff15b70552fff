"""Predicts every combination of flips, rotations and scales.

A rotation by a multiple of 90 degrees moves pixels and changes none. Any other turns the image in its own frame and
reads it bilinearly: corners leave the frame, and what comes in is padding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from cvrun.errors import one_of, require
from cvrun.tta import MERGES, PADDING_MODES, TTA, View
from cvrun.tta._oriented import oriented, turned, unturned
from cvrun.tta._resampled import resized, rotated


@dataclass(frozen=True)
class Config:
    """Keys of the views.

    Attributes:
        hflip: Whether each view is seen left to right as well.
        vflip: Whether each view is seen top to bottom as well.
        rotations: [degrees] Counterclockwise, 0 among them.
        scales: Factors of height and width, 1 among them.
        padding_mode: What a rotation brings in: zeros (of the normalized image), reflect (mirrored at the edge) or edge
            (the nearest pixel).
        merge: How the predictions become one; one of cvrun.tta.MERGES.
    """

    hflip: bool
    vflip: bool
    rotations: tuple[float, ...]
    scales: tuple[float, ...]
    padding_mode: str
    merge: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        angles = [_turn(angle) for angle in self.rotations if math.isfinite(angle)]
        fine = 0 in angles and len(set(angles)) == len(self.rotations)
        require(fine, "rotations", list(self.rotations), "different angles [degrees], 0 among them")
        fine = all(0.1 <= scale <= 10 for scale in self.scales) and len(set(self.scales)) == len(self.scales)
        rule = "different factors from 0.1 to 10, 1 among them"
        require(fine and 1 in self.scales, "scales", list(self.scales), rule)
        one_of("padding_mode", self.padding_mode, PADDING_MODES)
        one_of("merge", self.merge, MERGES)


def build(config: Config) -> TTA:
    """Give the views, each once; the first is the image as it is."""
    # A flip from top to bottom is half a turn and a flip from left to right.
    flips = [(False, 0)] + [(True, 0)] * config.hflip + [(True, 180)] * config.vflip
    flips += [(False, 180)] * (config.hflip and config.vflip)
    angles = sorted({_turn(angle) for angle in config.rotations})
    orientations = dict.fromkeys((_turn(angle + half), flipped) for flipped, half in flips for angle in angles)
    padding = PADDING_MODES[config.padding_mode]
    views = [
        _view(angle, flipped, scale, padding)
        for scale in sorted(config.scales, key=lambda scale: scale != 1)
        for angle, flipped in orientations
    ]
    return TTA(tuple(views), config.merge)


def _turn(angle: float) -> float:
    """Give an angle within [0, 360) degrees, free of the rounding of sums."""
    return round(angle % 360, 6) % 360


def _view(angle: float, flipped: bool, scale: float, padding: str) -> View:
    turns, rest = (int(angle // 90), 0.0) if angle % 90 == 0 else (0, angle)
    exact = oriented(turns, flipped)
    if rest == 0 and scale == 1:
        return exact

    def forward(image: Tensor) -> Tensor:
        seen = turned(rotated(image, rest, padding) if rest else image, turns, flipped)
        height, width = seen.shape[-2:]
        return resized(seen, (max(round(height * scale), 1), max(round(width * scale), 1)))

    def inverse(dense: Tensor, size: tuple[int, int]) -> Tensor:
        height, width = size if turns % 2 == 0 else size[::-1]
        upright = unturned(resized(dense, (height, width)), turns, flipped)
        return rotated(upright, -rest, "zeros") if rest else upright

    names = [f"rot{rest:g}", *(["hflip"] if flipped else [])] if rest else [exact.name]
    return View("_".join([*names, *([f"x{scale:g}"] if scale != 1 else [])]), forward, inverse, "interpolated")
