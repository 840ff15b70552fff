"""One image of one size and number of channels, out of a file or an array: decoding, colour modes, resizing."""

from __future__ import annotations

import hashlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from cvrun.data import ImageForm
from cvrun.errors import DataError, printable

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
"""What Pillow may open; its other parsers are never offered a file."""

_TURNS = range(2, 9)
"""The EXIF orientations that are not upright (Exif 3.0, tag 274)."""


class ImageError(DataError):
    """A file that cannot be used as an image."""

    def __init__(self, path: Path, reason: str, rule: str, hint: str = "") -> None:
        """Keep the reason, for tables."""
        super().__init__(f"{path}: {reason}, expected {rule}", hint)
        self.reason = printable(reason)


class Decoded(NamedTuple):
    """An image with what should be said about its file.

    Attributes:
        pixels: uint8 (size, size, channels).
        animated: Whether the file holds more frames than the one that was taken, the first.
        turned: Whether the image was turned or mirrored, as its EXIF orientation says.
    """

    pixels: NDArray[np.uint8]
    animated: bool
    turned: bool


def decode(path: Path, form: ImageForm, sha256: str | None = None) -> Decoded:
    """Give the image in a file, turned as its EXIF orientation says, in the given form.

    Of several frames the first counts, and damage behind it does not.

    Args:
        path: A file in one of FORMATS, whatever its suffix.
        form: Size, channels and fit.
        sha256: What the file's bytes must have, lower-case hex; None: they are not checked.

    Raises:
        ImageError: If the file cannot be read or decoded to its end, has other bytes than sha256 says, or its colour
            mode has no defined range.
    """
    with quiet():
        try:
            # In memory, since Pillow's dozens of small reads of a file cost a tenth of the time of a small image.
            content = path.read_bytes()
            if sha256 is not None:
                _check_content(path, content, sha256)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                image.load()
                turned = image.getexif().get(ExifTags.Base.Orientation) in _TURNS
                if turned:
                    ImageOps.exif_transpose(image, in_place=True)
                pixels = bring(image, form)
                return Decoded(pixels, _has_more_frames(image), turned)
        except (MemoryError, ImageError):
            raise
        # Damaged files make Pillow raise nearly anything: OSError, SyntaxError, ValueError, struct.error, ...
        except Exception as error:
            raise ImageError(
                path, f"cannot be decoded ({_reason(error)})", f"an image ({', '.join(FORMATS)})"
            ) from error


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


def _check_content(path: Path, content: bytes, sha256: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        fact = f"its content has the sha256 {found[:12]}..."
        raise ImageError(path, fact, f"{sha256[:12]}... as the table says", "the file was changed or is damaged")


def _has_more_frames(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except MemoryError:
        raise
    except Exception:
        # GIF looks for the next frame only now, and it is damaged.
        return True


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
