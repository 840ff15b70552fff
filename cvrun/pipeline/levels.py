"""From the values of a file to the 8-bit levels that the pipeline works with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float]
"""Lowest and highest value, which become 0 and 255."""


class UnfitError(ValueError):
    """An image that can be read, but not be used as the configuration says; decode.py puts the file's name before it.

    Attributes:
        reason: What it is.
        rule: What is expected.
        hint: What to do instead.
    """

    def __init__(self, reason: str, rule: str, hint: str = "") -> None:
        """Keep the parts."""
        super().__init__(f"{reason}, expected {rule}")
        self.reason, self.rule, self.hint = reason, rule, hint


def levels(values: NDArray[np.generic], limits: Range | None) -> NDArray[np.uint8]:
    """Give values of any shape as uint8 levels.

    With limits a value v becomes (v - low) * 255 / (high - low), cut to [0, 255] and rounded, halves to even. Without
    them 8-bit values stay, and 16-bit ones, grey and colours alike, become v * 255 / 65535, rounded.

    Raises:
        UnfitError: If values of another kind have no limits, or one of them is not a number.
    """
    if limits is not None:
        return _between(values, limits)
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    if values.dtype == np.uint16:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    found = f"from {values.min():.6g} to {values.max():.6g}" if values.size else "none"
    rule = "8 or 16 bits a channel, or data.value_range"
    raise UnfitError(
        f"its {values.dtype} values ({found}) have no defined range", rule, "set data.value_range=[LOW,HIGH]"
    )


def _between(values: NDArray[np.generic], limits: Range) -> NDArray[np.uint8]:
    low, high = limits
    if values.dtype == np.uint8:
        table = _between(np.arange(256.0), limits)
        chosen: NDArray[np.uint8] = table[values]
        return chosen
    # In float64 every integer of 53 bits is exact.
    scaled = values.astype(np.float64)
    # In place, since a large image leaves no room for more of these. What is too large for a number is above high.
    with np.errstate(over="ignore"):
        scaled -= low
        scaled *= 255
        scaled /= high - low
    count = int(np.isnan(scaled).sum())
    if count:
        raise UnfitError(f"{count:,} of its {scaled.size:,} values are not a number", "numbers")
    np.rint(np.clip(scaled, 0, 255, out=scaled), out=scaled)
    return scaled.astype(np.uint8)
