"""One image of one size and number of channels, out of a file or an array: decoding, colour modes, resizing."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cvrun.data import ImageForm
from cvrun.errors import DataError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
"""What Pillow may open; its other parsers are never offered a file."""


def decode(path: Path, form: ImageForm) -> NDArray[np.uint8]:
    """Give the image in a file, turned as its EXIF orientation says, in the given form.

    Of several frames the first counts.

    Args:
        path: A file in one of FORMATS, whatever its suffix.
        form: Size, channels and fit.

    Returns:
        uint8 (size, size, channels).

    Raises:
        DataError: If the file cannot be read or decoded to its end, or its colour mode has no defined range.
    """
    with quiet():
        try:
            # In memory, since Pillow's dozens of small reads of a file cost a tenth of the time of a small image.
            with Image.open(io.BytesIO(path.read_bytes()), formats=FORMATS) as image:
                ImageOps.exif_transpose(image, in_place=True)
                return bring(image, form)
        except (MemoryError, DataError):
            raise
        # Damaged files make Pillow raise nearly anything: OSError, SyntaxError, ValueError, struct.error, ...
        except Exception as error:
            names = ", ".join(FORMATS)
            raise DataError(f"{path}: cannot be decoded ({_reason(error)}), expected an image ({names})") from error


def bring(image: Image.Image, form: ImageForm) -> NDArray[np.uint8]:
    """Give a Pillow image in the given form, uint8 (size, size, channels).

    Raises:
        ValueError: If the colour mode has no defined range.
    """
    grey_or_rgb = _plain(image)
    wanted = "L" if form.channels == 1 else "RGB"
    if grey_or_rgb.mode != wanted:
        grey_or_rgb = grey_or_rgb.convert(wanted)
    pixels = np.asarray(_resized(grey_or_rgb, form))
    return pixels[..., None] if form.channels == 1 else pixels


def fit_array(image: NDArray[np.uint8], form: ImageForm) -> NDArray[np.uint8]:
    """Give an embedded image, uint8 (H, W, 1 or 3), in the given form, uint8 (size, size, channels)."""
    if image.shape == (form.size, form.size, form.channels):
        return image
    return bring(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), form)


def _plain(image: Image.Image) -> Image.Image:
    """Give an image of any mode as 8-bit grey ("L") or colour ("RGB")."""
    turn = _MODES.get(image.mode)
    if turn is None:
        raise ValueError(f"colour mode {image.mode} has no defined range, save it with 8 or 16 bits a channel")
    return turn(image)


def _as_it_is(image: Image.Image) -> Image.Image:
    return image


def _grey(image: Image.Image) -> Image.Image:
    return image.convert("L")


def _colour(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def _without_alpha(image: Image.Image) -> Image.Image:
    """Give the grey values of "LA" as they are, also where they are transparent."""
    return image.getchannel(0)


def _from_palette(image: Image.Image) -> Image.Image:
    """Give the palette's colours; a transparent entry keeps its colour."""
    image.info.pop("transparency", None)
    return image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Give v * 255 / 65535, rounded."""
    wide = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((wide + 128) // 257).astype(np.uint8))


def _from_32_bits(image: Image.Image) -> Image.Image:
    """Give a wide PGM file as 8 bits; Pillow scales those, and only those, to 0 to 65535."""
    if image.format != "PPM":
        raise ValueError("32-bit pixels (mode I) have no defined range, save it with 8 or 16 bits a channel")
    return _from_16_bits(image)


_MODES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "1": _grey,
    "L": _as_it_is,
    "LA": _without_alpha,
    "P": _from_palette,
    "PA": _from_palette,
    "RGB": _as_it_is,
    "RGBA": _colour,
    "CMYK": _colour,
    "YCbCr": _colour,
    "I;16": _from_16_bits,
    "I;16L": _from_16_bits,
    "I;16B": _from_16_bits,
    "I;16N": _from_16_bits,
    "I": _from_32_bits,
}


def _resized(image: Image.Image, form: ImageForm) -> Image.Image:
    """Give a grey or colour image as a square of form.size, bilinear with antialiasing."""
    size = form.size
    if image.size == (size, size):
        return image
    width, height = image.size
    if form.fit == "stretch" or width == height:
        return image.resize((size, size), Image.Resampling.BILINEAR)
    if form.fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    scale = size / max(width, height)
    inner = image.resize((max(round(width * scale), 1), max(round(height * scale), 1)), Image.Resampling.BILINEAR)
    square = Image.new(image.mode, (size, size))
    square.paste(inner, ((size - inner.width) // 2, (size - inner.height) // 2))
    return square


def _reason(error: Exception) -> str:
    """Give an exception in a few words; Pillow repeats the file name in some."""
    if isinstance(error, UnidentifiedImageError):
        return "its content is none of these formats"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


_lock = threading.Lock()
_silence: list[warnings.catch_warnings[None]] = []
_inside = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings (large images, odd EXIF) while any thread is inside.

    `warnings.catch_warnings` alone is not safe where threads overlap: the first to leave would undo what the others
    rely on, or leave the filter behind for good.
    """
    global _inside
    with _lock:
        if _inside == 0:
            _silence.append(warnings.catch_warnings())
            _silence[0].__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _silence.pop().__exit__(None, None, None)
