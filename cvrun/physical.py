"""Lengths in place of pixels: where the edge of a pixel is known, 200um or 2mm says how many pixels a size has."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from cvrun.errors import ConfigError

_UNITS = {"um": 1.0, "\u00b5m": 1.0, "\u03bcm": 1.0, "mm": 1000.0}
"""Unit -> micrometres; the micro sign and the Greek letter look alike."""

_LENGTH = re.compile(rf"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*({'|'.join(_UNITS)})\s*")


class _Size:
    """The mark of a field that is a size in pixels."""


Pixels = Annotated[int, "a whole number of pixels, or a length such as 200um or 2mm", _Size]
"""Type of a `Config`'s field that holds a size [pixels]; a length is rounded to whole pixels."""

PixelsFraction = Annotated[float, "a number of pixels, or a length such as 2.5um", _Size]
"""Type of a field that holds a size [pixels] of which fractions have a meaning; a length is not rounded."""


def length(text: str) -> float | None:
    """Give a length such as "200um" or "0.2 mm" in micrometres; None where text is none."""
    found = _LENGTH.fullmatch(text)
    return float(found[1]) * _UNITS[found[2]] if found else None


def in_pixels(cls: type, values: Mapping[str, Any], where: str, pixel_size: float | None) -> dict[str, Any]:
    """Give values with pixels in place of the lengths among them; what is no length stays.

    Args:
        cls: The dataclass whose fields they are; only sizes in pixels, `Pixels`, may be lengths.
        values: Key -> value.
        where: Prefix of the keys in messages, such as "data".
        pixel_size: [um] Edge of a pixel, or None where it is not known.

    Raises:
        ConfigError: If there is a length and the edge of a pixel is not known, or it is less than half a pixel, or more
            pixels than there are numbers for.
    """
    found = dict(values)
    for name, hint in get_type_hints(cls, include_extras=True).items():
        value = found.get(name)
        micrometres = length(value) if isinstance(value, str) and is_size(hint) else None
        if micrometres is None:
            continue
        said = f"{where}.{name}={value}"
        if pixel_size is None:
            message = f"{said}: a length, expected pixels where data.pixel_size_um is null"
            raise ConfigError(message, "set data.pixel_size_um to the edge of a pixel, such as 0.243")
        pixels = micrometres / pixel_size
        if not math.isfinite(pixels):
            raise ConfigError(f"{said}: too many pixels of {pixel_size:g} um to be counted, expected a shorter length")
        if get_args(hint)[0] is float:
            found[name] = pixels
            continue
        found[name] = round(pixels)
        if found[name] == 0 and pixels > 0:
            raise ConfigError(f"{said}: is {pixels:.3g} of a pixel of {pixel_size:g} um, expected at least half of one")
    return found


def is_size(hint: Any) -> bool:
    """Give whether the type of a field says that it is a size in pixels."""
    return get_origin(hint) is Annotated and _Size in hint.__metadata__
