"""One image out of a file, in the form of the data or in its own shape."""

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
from cvrun.pipeline import jpeg
from cvrun.pipeline.form import bound, bound_array, bring, fit_array
from cvrun.warned import heard

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
"""What Pillow may open; its other parsers are never offered a file."""


class ImageError(DataError):
    """A file that cannot be used as an image."""

    def __init__(self, path: Path, reason: str, rule: str, hint: str = "") -> None:
        """Keep the reason, for tables."""
        super().__init__(f"{path}: {reason}, expected {rule}", hint)
        self.reason = printable(reason)


class Decoded(NamedTuple):
    """An image with what should be said about its file.

    Attributes:
        pixels: uint8 (size, size, channels), or (h, w, channels) where the image keeps its shape.
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
    return _decoded(path, lambda image: bring(image, form), lambda pixels: fit_array(pixels, form), sha256)


def decode_whole(path: Path, channels: int, side: int, sha256: str | None = None) -> Decoded:
    """Give the image in a file as decode does, but in its own shape, uint8 (h, w, channels).

    Args:
        path: A file in one of FORMATS, whatever its suffix.
        channels: 1 (grey) or 3 (RGB).
        side: [pixels] To which the shorter side is reduced, the other one in proportion; 0: never. A smaller image
            stays as it is.
        sha256: What the file's bytes must have, lower-case hex; None: they are not checked.

    Raises:
        ImageError: As decode.
    """
    return _decoded(
        path, lambda image: bound(image, channels, side), lambda pixels: bound_array(pixels, channels, side), sha256
    )


def _decoded(
    path: Path,
    finish: Callable[[Image.Image], NDArray[np.uint8]],
    finish_array: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    sha256: str | None,
) -> Decoded:
    with quiet():
        try:
            # In memory, since Pillow's dozens of small reads of a file cost a tenth of the time of a small image.
            content = path.read_bytes()
            if sha256 is not None:
                _check_content(path, content, sha256)
            pixels = jpeg.decode(content)
            if pixels is not None:
                return Decoded(finish_array(pixels), animated=False, turned=False)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                image.load()
                turned = image.getexif().get(ExifTags.Base.Orientation) in jpeg.TURNS
                if turned:
                    ImageOps.exif_transpose(image, in_place=True)
                return Decoded(finish(image), _has_more_frames(image), turned)
        except (MemoryError, ImageError):
            raise
        # Damaged files make Pillow raise nearly anything: OSError, SyntaxError, ValueError, struct.error, ...
        except Exception as error:
            raise ImageError(
                path, f"cannot be decoded ({_reason(error)})", f"an image ({', '.join(FORMATS)})"
            ) from error


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
    """Silence Pillow's warnings (large images, odd EXIF) while any thread is inside, where nobody keeps them.

    A command that keeps warnings tells each once, however many images it is about, and then nothing has to change here.
    `warnings.catch_warnings` alone is not safe where threads overlap: the first to leave would undo what the others
    rely on, or leave the filter behind for good.
    """
    global _inside
    if heard():
        yield
        return
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
