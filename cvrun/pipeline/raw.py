"""The values of an image as they lie in its file, before they become 8-bit levels."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from cvrun.pipeline import jpeg, npy, tiff
from cvrun.pipeline.form import plain
from cvrun.pipeline.levels import UnfitError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
"""What Pillow may open; its other parsers are never offered a file."""

_PNG = b"\x89PNG\r\n\x1a\n"
_DEEP = {2: "RGB;16", 4: "LA;16", 6: "RGBA;16"}
"""Colour type of a PNG file (its specification, table 11.1) of which Pillow gives the upper 8 of 16 bits -> the name
under which Pillow unpacks it, without the order of its bytes."""
_ALPHA = ("LA;16", "RGBA;16")


class Raw(NamedTuple):
    """An image as its file has it.

    Attributes:
        values: (H, W, C), of the file's own kind: uint8, uint16, int32, float32, ...; palettes are looked up, a bit is
            0 or 255, CMYK and YCbCr are RGB unless four channels are wanted.
        mode: Pillow's name of the colour mode (L, RGB, I;16, ...), or the kind of the numbers where Pillow does not
            read the file.
        animated: Whether the file holds more frames than the one that was taken, the first.
        turned: Whether it was turned or mirrored, as its EXIF orientation says.
    """

    values: NDArray[Any]
    mode: str
    animated: bool = False
    turned: bool = False

    @property
    def bits(self) -> int:
        """[bits] Of a value."""
        return self.values.dtype.itemsize * 8

    @property
    def channels(self) -> int:
        """Values a pixel."""
        return int(self.values.shape[2])


def raw(content: bytes, channels: int | None = None) -> Raw:
    """Give the values in the content of a file, whatever its suffix.

    Args:
        content: One of FORMATS, or NumPy's own.
        channels: How many are wanted: an alpha channel beyond them is left out, and as many pages of a TIFF file are
            as many channels. None: all that the first page has.

    Raises:
        UnfitError: If the file has no such values.
        Exception: Nearly any other, if it is damaged.
    """
    pixels = jpeg.decode(content)
    if pixels is not None:
        return Raw(pixels, "L" if pixels.shape[2] == 1 else "RGB")
    if content.startswith(npy.MAGIC):
        values = npy.decode(content)
        return Raw(values, str(values.dtype))
    if _is_deep(content):
        return _deep(content, _DEEP[content[25]], channels)
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        if not tiff.is_tiff(content):
            raise
    else:
        with image:
            if not (image.format == "TIFF" and tiff.beyond_pillow(image, channels)):
                return _of_pillow(image, channels)
    values = tiff.decode(content, channels)
    return Raw(values, str(values.dtype))


def needed(content: bytes, channels: int) -> bool:
    """Whether Pillow alone would not give an image of channels (1 or 3) as it lies in the file, 16-bit grey aside."""
    if not tiff.is_tiff(content):
        return content.startswith(npy.MAGIC) or _is_deep(content)
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return tiff.beyond_pillow(image, channels) or _pages_are_channels(image, channels)
    except UnidentifiedImageError:
        return True


def load(image: Image.Image) -> bool:
    """Decode an image that Pillow has opened, and turn it upright; give whether that changed it."""
    image.load()
    turned = image.getexif().get(ExifTags.Base.Orientation) in jpeg.TURNS
    if turned:
        ImageOps.exif_transpose(image, in_place=True)
    return turned


def has_more_frames(image: Image.Image) -> bool:
    """Give whether a file holds more frames than the first."""
    try:
        return bool(getattr(image, "is_animated", False))
    except MemoryError:
        raise
    except Exception:
        # GIF looks for the next frame only now, and it is damaged.
        return True


def _of_pillow(image: Image.Image, channels: int | None) -> Raw:
    mode = image.mode
    if channels is not None and image.format == "TIFF" and _pages_are_channels(image, channels):
        pages: list[NDArray[Any]] = []
        for number in range(channels):
            image.seek(number)
            if tiff.beyond_pillow(image, channels):
                raise UnfitError(f"its page {number + 1} is not as the first", "pages of one size and kind")
            tiff.bounded(sum(page.nbytes for page in pages) + image.width * image.height)
            pages.append(_values(image, None))
        return Raw(tiff.together(pages), mode)
    most = _largest(image)
    turned = load(image)
    values = _values(image, channels)
    if most is not None:
        values = _unscaled(values, most)
    return Raw(values, mode, has_more_frames(image), turned)


def _pages_are_channels(image: Image.Image, channels: int) -> bool:
    return channels > 1 and len(image.getbands()) == 1 and image.mode != "P" and _frames(image) == channels


def _frames(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))


def _values(image: Image.Image, channels: int | None) -> NDArray[Any]:
    """Give the values of a Pillow image, (H, W, C)."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint16, copy=False)
    elif image.mode in ("I", "F") or (image.mode in ("LA", "RGBA", "CMYK") and _as_it_lies(image, channels)):
        values = np.asarray(image)
    else:
        values = np.asarray(plain(image))
    return values if values.ndim == 3 else values[..., None]


def _as_it_lies(image: Image.Image, channels: int | None) -> bool:
    return channels is None or channels == len(image.getbands())


def _is_deep(content: bytes) -> bool:
    """Whether content is a PNG file with 16 bits a value of which Pillow gives 8: the two bytes behind its size."""
    return content.startswith(_PNG) and content[24:25] == b"\x10" and content[25] in _DEEP


def _deep(content: bytes, name: str, channels: int | None) -> Raw:
    """Give the 16-bit values of a PNG file: colours, or what has an alpha channel, which is left out unless counted."""
    if name == "LA;16":
        # Four bytes a pixel lie in the file as RGBA does.
        (parts,), turned = _unpacked(content, ["RGBA"], "RGBA")
        values = parts[..., ::2] * np.uint16(256) + parts[..., 1::2]
    else:
        # Pillow keeps the first byte of two. Told that the second comes first, it keeps that one.
        (high, low), turned = _unpacked(content, [f"{name}B", f"{name}L"])
        values = high * np.uint16(256) + low
    if name in _ALPHA and channels not in (None, values.shape[2]):
        values = values[..., :-1]
    return Raw(values, name, turned=turned)


def _unpacked(content: bytes, names: list[str], mode: str | None = None) -> tuple[list[NDArray[np.uint16]], bool]:
    """Give a PNG file unpacked under each of Pillow's names, and whether that turned it; mode: in which, if not its."""
    found, turned = [], False
    for name in names:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            image.tile = [tile._replace(args=name) for tile in image.tile]
            image._mode = mode or image.mode
            turned = load(image)
            found.append(np.asarray(image).astype(np.uint16))
    return found, turned


def _largest(image: Image.Image) -> int | None:
    """Give the largest value that a PPM file declares, where Pillow scales its values by it; else None.

    Raises:
        UnfitError: If they lose bits in that.
    """
    tiles: list[Any] = getattr(image, "tile", [])
    if image.format != "PPM" or not tiles:
        return None
    if tiles[0].codec_name not in ("ppm", "ppm_plain"):
        return 65535 if image.mode == "I" else None
    most = int(tiles[0].args[1])
    if image.mode == "RGB" and most > 255:
        raise UnfitError("it is a PPM file with colours of 16 bits", "8 bits a channel, or another format")
    return most


def _unscaled(values: NDArray[Any], most: int) -> NDArray[Any]:
    """Give values in [0, most] that Pillow has scaled to all of 8 or 16 bits."""
    full, kind = (255, np.uint8) if values.dtype == np.uint8 else (65535, np.uint16)
    return np.rint(values * (most / full)).astype(kind)
