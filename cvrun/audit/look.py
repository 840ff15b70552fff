"""What one image is: hashes, size, kind and two small pictures of it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvrun.pipeline.decode import Source, quiet, reason_of
from cvrun.pipeline.form import bound_array
from cvrun.pipeline.levels import Range, UnfitError, levels
from cvrun.pipeline.raw import Raw, raw

GREY, COLOUR = 16, 8
"""[pixels] Edges of the small pictures."""

NOTE = np.dtype(
    [
        ("key", "S16"),
        ("content", "S32"),
        ("pixels", "S32"),
        ("height", "<i4"),
        ("width", "<i4"),
        ("channels", "<i4"),
        ("bits", "<i4"),
        ("low", "<f8"),
        ("high", "<f8"),
        ("turned", "?"),
        ("animated", "?"),
        ("empty", "?"),
        ("mode", "S12"),
        ("reason", "S120"),
        ("grey", "u1", (GREY, GREY)),
        ("colour", "u1", (COLOUR, COLOUR, 3)),
    ]
)
"""What is noted of an image.

key: of the file as it was. content: sha256 of its bytes. pixels: sha256 of the whole decoded image, so that the same
pixels in another file are found. height, width [pixels], channels, bits (of a value), low and high (of its values as
they lie in the file). turned: as its EXIF orientation says. animated: it holds more frames. empty: every pixel has one
colour. mode: Pillow's name. reason: why it cannot be used, else empty; then only key and content are set. grey and
colour: the image reduced to small pictures, whatever its shape.
"""

Note = NDArray[Any]
"""NOTE, (); or (N,) of many."""


def look(source: Source, channels: int, limits: Range | None) -> Note:
    """Give what is noted of an image file, which is read once.

    Args:
        source: Where its content comes from.
        channels: That are wanted of it.
        limits: Lowest and highest value, as in ImageForm.
    """
    note = np.zeros((), NOTE)
    with quiet():
        try:
            content = source.read()
            note["content"] = hashlib.sha256(content).digest()
            if source.sha256 is not None and hashlib.sha256(content).hexdigest() != source.sha256:
                note["reason"] = f"its sha256 is not {source.sha256[:12]}... as the table says"
                return note
            _fill(note, raw(content, channels), channels, limits)
        except MemoryError:
            raise
        except UnfitError as error:
            note["reason"] = _ascii(error.reason)
        # Damaged files make Pillow raise nearly anything; see decode.py.
        except Exception as error:
            note["reason"] = _ascii(f"cannot be decoded ({reason_of(error)})")
    return note


def look_at_pixels(pixels: NDArray[np.uint8], channels: int, limits: Range | None) -> Note:
    """Give what is noted of an embedded image, uint8 (H, W, C)."""
    note = np.zeros((), NOTE)
    pixels = np.ascontiguousarray(pixels)
    note["content"] = hashlib.sha256(pixels.data).digest()
    try:
        _fill(note, Raw(pixels, "L" if pixels.shape[2] == 1 else "RGB"), channels, limits)
    except UnfitError as error:
        note["reason"] = _ascii(error.reason)
    return note


def _fill(note: Note, found: Raw, channels: int, limits: Range | None) -> None:
    """Note what a decoded image is.

    Raises:
        UnfitError: If the run could not use it.
    """
    values = np.ascontiguousarray(found.values)
    seen = values if values.dtype == np.uint8 and limits is None else levels(values, limits)
    if channels not in (1, 3) or values.shape[2] not in (1, 3):
        bound_array(seen, channels, 0)
    low, high = values.min(), values.max()
    grey, colour = _pictures(values, float(low), float(high))
    # The small picture tells at once of nearly every image that it is not.
    flat = low == high or (np.ptp(colour, axis=(0, 1)).max() <= 1 and bool((values == values[0, 0]).all()))
    if values.shape[2] == 3 and np.ptp(colour, axis=2).max() == 0 and (values == values[..., :1]).all():
        # Grey in three channels is the same image as grey in one.
        values = np.ascontiguousarray(values[..., :1])
    digest = hashlib.sha256(f"{values.dtype} {values.shape}".encode())
    digest.update(values.data)
    note["height"], note["width"], note["channels"] = found.values.shape
    note["bits"], note["low"], note["high"] = found.bits, low, high
    note["turned"], note["animated"], note["empty"] = found.turned, found.animated, flat
    note["mode"], note["pixels"] = found.mode, digest.digest()
    note["grey"], note["colour"] = grey, colour


def _pictures(values: NDArray[Any], low: float, high: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give an image of any kind as uint8 (GREY, GREY) and (COLOUR, COLOUR, 3)."""
    if values.dtype != np.uint8:
        # What counts is what differs within the image, wherever its values lie in 16 bits.
        scaled = (values.astype(np.float64) - low) * (255 / (high - low) if high > low else 0.0)
        values = np.rint(np.nan_to_num(scaled)).astype(np.uint8)
    if values.shape[2] not in (1, 3):
        values = np.rint(values.mean(axis=2, keepdims=True)).astype(np.uint8)
    image = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
    small = image.resize((COLOUR, COLOUR), Image.Resampling.BILINEAR)
    grey = (image if image.mode == "L" else image.convert("L")).resize((GREY, GREY), Image.Resampling.BILINEAR)
    return np.asarray(grey), np.asarray(small if small.mode == "RGB" else small.convert("RGB"))


def _ascii(text: str) -> bytes:
    return text.encode("ascii", errors="backslashreplace")
