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
from PIL import Image, UnidentifiedImageError

from cvrun.data import ImageForm
from cvrun.errors import DataError, printable
from cvrun.pipeline import jpeg
from cvrun.pipeline.form import bound, bound_array, bring, fit_array
from cvrun.pipeline.levels import Range, UnfitError, levels
from cvrun.pipeline.raw import FORMATS, has_more_frames, load, needed, raw
from cvrun.warned import heard


class ImageError(DataError):
    """A file that cannot be used as an image."""

    def __init__(self, where: Path | str, reason: str, rule: str, hint: str = "") -> None:
        """Keep the reason, for tables."""
        super().__init__(f"{where}: {reason}, expected {rule}", hint)
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


class Source(NamedTuple):
    """Where the content of an image comes from.

    Attributes:
        read: Gives the bytes.
        where: Their name, for messages.
        sha256: What they must have, lower-case hex; None: that is not checked.
    """

    read: Callable[[], bytes]
    where: str
    sha256: str | None = None


def decode(path: Path, form: ImageForm, sha256: str | None = None) -> Decoded:
    """Give the image in a file as decode_from does; sha256 is what its bytes must have."""
    return decode_from(Source(path.read_bytes, str(path), sha256), form)


def decode_whole(
    path: Path, channels: int, side: int, sha256: str | None = None, limits: Range | None = None
) -> Decoded:
    """Give the image in a file as decode_whole_from does; sha256 is what its bytes must have."""
    return decode_whole_from(Source(path.read_bytes, str(path), sha256), channels, side, limits)


def decode_from(source: Source, form: ImageForm) -> Decoded:
    """Give an image, turned as its EXIF orientation says, in the given form; colours are red, green, blue.

    Of several frames the first counts, and damage behind it does not; but where a TIFF file has as many grey pages as
    channels are wanted, these are the channels.

    Args:
        source: Content in one of FORMATS, or NumPy's own, whatever its suffix.
        form: Size, channels, fit and range of values.

    Raises:
        ImageError: If it cannot be read or decoded to its end, has other bytes than it must have, other channels than
            the form (grey and RGB become each other), or values without a defined range.
    """
    return _decoded(
        source,
        (form.channels, form.value_range),
        lambda image: bring(image, form),
        lambda pixels: fit_array(pixels, form),
    )


def decode_whole_from(source: Source, channels: int, side: int, limits: Range | None = None) -> Decoded:
    """Give an image as decode_from does, but in its own shape, uint8 (h, w, channels).

    Args:
        source: As in decode_from.
        channels: 1 (grey), 3 (RGB), or as many as the image has.
        side: [pixels] To which the shorter side is reduced, the other one in proportion; 0: never. A smaller image
            stays as it is.
        limits: Lowest and highest value, which become 0 and 255; None: see levels.

    Raises:
        ImageError: As decode_from.
    """
    return _decoded(
        source,
        (channels, limits),
        lambda image: bound(image, channels, side),
        lambda pixels: bound_array(pixels, channels, side),
    )


def _decoded(
    source: Source,
    wanted: tuple[int, Range | None],
    finish: Callable[[Image.Image], NDArray[np.uint8]],
    finish_array: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
) -> Decoded:
    channels, limits = wanted
    with quiet():
        try:
            # In memory, since Pillow's dozens of small reads of a file cost a tenth of the time of a small image.
            content = source.read()
            if source.sha256 is not None:
                _check_content(source, content)
            pixels = jpeg.decode(content)
            if pixels is not None:
                return Decoded(finish_array(pixels if limits is None else levels(pixels, limits)), False, False)
            if limits is not None or channels not in (1, 3) or needed(content, channels):
                found = raw(content, channels)
                return Decoded(finish_array(levels(found.values, limits)), found.animated, found.turned)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                turned = load(image)
                return Decoded(finish(image), has_more_frames(image), turned)
        except (MemoryError, ImageError):
            raise
        except UnfitError as error:
            raise ImageError(source.where, error.reason, error.rule, error.hint) from error
        # Damaged files make Pillow raise nearly anything: OSError, SyntaxError, ValueError, struct.error, ...
        except Exception as error:
            rule = f"an image ({', '.join(FORMATS)}, NPY)"
            raise ImageError(source.where, f"cannot be decoded ({reason_of(error)})", rule) from error


def _check_content(source: Source, content: bytes) -> None:
    declared, found = str(source.sha256), hashlib.sha256(content).hexdigest()
    if found != declared:
        fact = f"its content has the sha256 {found[:12]}..."
        rule = f"{declared[:12]}... as the table says"
        raise ImageError(source.where, fact, rule, "the file was changed or is damaged")


def reason_of(error: Exception) -> str:
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
