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

TAILS = 2
"""[%] of the values at each end that count as the last one of the others, in an image without a range of its own."""

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

key: of the file as it was. content: sha256 of its bytes. pixels: sha256 of the whole image as a model sees it, but for
its size (in the range of values that is set, and grey where one channel is wanted), so that the same pixels in another
file are found. height, width [pixels], channels, bits (of a value), low and high (of its values as they lie in the
file). turned: as its EXIF orientation says. animated: it holds more frames. empty: a model sees one colour everywhere.
mode: Pillow's name. reason: why it cannot be used, else empty; then only key and content are set. grey and colour: what
is seen, reduced to small pictures.
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
    values = found.values
    plain = values.dtype == np.uint8 and limits is None
    seen = values if plain else levels(values, limits)
    if channels not in (1, 3) or values.shape[2] not in (1, 3):
        bound_array(seen, channels, 0)
    # Without a range of the user's 16 bits differ more than their levels do.
    whole = values if limits is None else seen
    shown = _grey_if(channels == 1, seen if plain or limits is not None else _stretched(values))
    whole = np.ascontiguousarray(_grey_if(channels == 1, whole))
    grey, colour = _pictures(shown)
    # The small picture tells at once of nearly every image that it is not.
    flat = np.ptp(colour, axis=(0, 1)).max() <= 1 and bool((whole == whole[0, 0]).all())
    if whole.shape[2] == 3 and np.ptp(colour, axis=2).max() == 0 and (whole == whole[..., :1]).all():
        # Grey in three channels is the same image as grey in one.
        whole = np.ascontiguousarray(whole[..., :1])
    digest = hashlib.sha256(f"{whole.dtype} {whole.shape}".encode())
    digest.update(whole.data)
    note["height"], note["width"], note["channels"] = values.shape
    note["bits"], note["low"], note["high"] = found.bits, values.min(), values.max()
    note["turned"], note["animated"], note["empty"] = found.turned, found.animated, flat
    note["mode"], note["pixels"] = found.mode, digest.digest()
    note["grey"], note["colour"] = grey, colour


def _grey_if(wanted: bool, values: NDArray[Any]) -> NDArray[Any]:
    """Give RGB levels as grey where a model sees no colours; anything else as it is."""
    return bound_array(values, 1, 0) if wanted and values.dtype == np.uint8 and values.shape[2] == 3 else values


def _stretched(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Give the levels of an image of 16 bits for which no range is set: what differs within it counts.

    From its TAILS-th to its (100 - TAILS)-th percentile; a few broken pixels are not to decide what the others are. An
    image that is the same between these, such as a mask, from its lowest to its highest value.
    """
    low, high = np.percentile(values, [TAILS, 100 - TAILS])
    if low == high:
        low, high = values.min(), values.max()
    return levels(values, (float(low), float(high))) if low < high else np.zeros(values.shape, np.uint8)


def _pictures(shown: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give levels of any shape as uint8 (GREY, GREY) and (COLOUR, COLOUR, 3)."""
    if shown.shape[2] not in (1, 3):
        shown = np.rint(shown.mean(axis=2, keepdims=True)).astype(np.uint8)
    image = Image.fromarray(shown[..., 0] if shown.shape[2] == 1 else shown)
    small = image.resize((COLOUR, COLOUR), Image.Resampling.BILINEAR)
    grey = (image if image.mode == "L" else image.convert("L")).resize((GREY, GREY), Image.Resampling.BILINEAR)
    return np.asarray(grey), np.asarray(small if small.mode == "RGB" else small.convert("RGB"))


def _ascii(text: str) -> bytes:
    return text.encode("ascii", errors="backslashreplace")
