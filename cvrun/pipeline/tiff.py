"""TIFF files that Pillow does not read, or not to the last bit: by tifffile, an extra of the installation.

Pillow reads one to four samples of 8 bits and one of 16 or 32. It cuts three samples of 16 bits to 8, leaves out what
comes behind the third colour, inverts values of up to 8 bits alone where white is 0, and refuses everything else.
"""

from __future__ import annotations

import io
import logging
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvrun.pipeline.form import is_picture
from cvrun.pipeline.levels import UnfitError

for _name in ("PIL.TiffImagePlugin", "tifffile"):
    # What is wrong with a file is said by its error; what they log beside that would end up on the terminal.
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of a file: little or big end first, and the same with 64-bit offsets (BigTIFF)."""

_RULE, _HINT = "a TIFF file of 1 or 3 samples of 8 bits without it", "pip install 'cvrun[tiff]'"
_ALPHA = (1, 2)
"""Extra samples that are no channel (tag 338): associated and unassociated alpha."""
_WHITE_IS_0, _RGB, _PALETTE, _INK, _YCBCR, _LAB = 0, 2, 3, 5, 6, (8, 9, 10)
"""Photometric interpretations (tag 262)."""
_JPEG = (6, 7, 34892, 33007)
"""Compressions (tag 259) with colours of which tifffile makes RGB."""
_OFFSETS = (273, 324)
"""Tags with the places of strips and tiles."""
_BITS, _PHOTOMETRIC, _SAMPLES, _FORMAT, _SIGNED = 258, 262, 277, 339, 2


def is_tiff(content: bytes) -> bool:
    """Whether content begins as a TIFF file does."""
    return content.startswith(MAGIC)


def samples(image: Image.Image) -> int:
    """Give how many samples a pixel has in a TIFF file that Pillow has opened."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    return int(tags.get(_SAMPLES, 1))


def bounded(count: int) -> None:
    """Refuse values that take more bytes than the largest image that Pillow opens, of four bytes a pixel.

    Raises:
        ValueError: If they do.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and count > 8 * limit:
        raise ValueError(f"{count:,} bytes of values could be a decompression bomb")


def beyond_pillow(image: Image.Image, channels: int | None) -> bool:
    """Whether Pillow, which has opened a TIFF file, would not give all of its values, or not as they are.

    Args:
        image: As it was opened.
        channels: How many are wanted; None: all.

    Raises:
        ValueError: If a part of it lies nowhere in the file, where Pillow would take the header for pixels.
    """
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    if any(0 in tags.get(kind, ()) for kind in _OFFSETS):
        raise ValueError("a strip or tile of it is not in the file")
    bits, signed, bands = tags.get(_BITS, (1,)), tags.get(_FORMAT, (1,))[0] == _SIGNED, len(image.getbands())
    if max(bits) > 8 and tags.get(_PHOTOMETRIC, _WHITE_IS_0) == _WHITE_IS_0:
        return True
    if samples(image) == 1:
        # It takes 8-bit integers for unsigned, and 32-bit ones for signed.
        return bits[0] == (8 if signed else 32) and image.mode != "F"
    left_out = samples(image) != bands and channels not in (1, 3, bands)
    return left_out or samples(image) > 4 or max(bits) > 8 or signed


def decode(content: bytes, channels: int | None) -> NDArray[np.generic]:
    """Give the values of an image in a TIFF file, (H, W, C), as they are.

    Args:
        content: Of the file.
        channels: How many are wanted: where the first page has one sample and there are as many pages, these are the
            channels; an alpha sample is left out unless it is counted, and four inks become RGB where grey or RGB is
            wanted. None: the first page, with all samples.

    Raises:
        UnfitError: If it has no such image, tifffile is not installed, or cannot decompress without its codecs.
        ValueError: If it is damaged, or too large.
    """
    try:
        import tifffile
    except ImportError:
        raise UnfitError("it needs tifffile, which is not installed", _RULE, _HINT) from None
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        pages: list[Any] = list(file.pages)
        if not pages:
            raise ValueError("no image in it")
        if channels is None or pages[0].samplesperpixel > 1 or len(pages) != channels:
            pages = pages[:1]
        for page in pages:
            _check(page, len(content))
        bounded(sum(math.prod(page.shaped) * page.dtype.itemsize for page in pages))
        if channels is not None and len(pages) == 1:
            is_picture(_channels(pages[0], channels), channels)
        values = [_page(page, channels) for page in pages]
        return values[0] if len(values) == 1 else together(values)


def together(pages: list[NDArray[Any]]) -> NDArray[np.generic]:
    """Give pages, (H, W, 1) each, as the channels of one image, (H, W, C).

    Raises:
        UnfitError: If they differ in shape or kind.
    """
    for number, page in enumerate(pages[1:], 2):
        if page.shape != pages[0].shape or page.dtype != pages[0].dtype:
            theirs, ours = (f"{p.shape[1]}x{p.shape[0]} of {p.dtype}" for p in (page, pages[0]))
            raise UnfitError(f"its page {number} is {theirs}, the first is {ours}", "pages of one size and kind")
    return np.concatenate(pages, axis=2)


def _check(page: Any, size: int) -> None:
    """Refuse a page by its header, before anything is decoded.

    Args:
        page: Of tifffile.
        size: [bytes] Of the file.

    Raises:
        UnfitError: If it holds no numbers, or not rows and columns of them.
        ValueError: If parts of it lie nowhere in the file, which tifffile takes for black, or it is too large.
    """
    colours = page.photometric
    if colours in (_PALETTE, *_LAB) or (colours == _YCBCR and page.compression not in _JPEG):
        raise ValueError(f"colours of the kind {getattr(colours, 'name', colours)}")
    if 0 in page.shaped:
        raise ValueError("it has no pixels")
    if page.dtype is None:
        raise ValueError(f"values of {page.bitspersample} bits")
    if page.dtype.kind not in "buif":
        raise UnfitError(f"its values are {page.dtype}", "whole or real numbers")
    if colours == _WHITE_IS_0 and page.dtype.kind not in "bu":
        rule = "whole numbers from 0 where 0 is white"
        raise UnfitError(f"its {page.dtype} values have no defined white", rule, "save it with 0 as black")
    if page.axes not in ("YX", "YXS", "SYX"):
        raise UnfitError(f"its page has the axes {page.axes} of {page.shape}", "height, width and channels")
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and page.imagewidth * page.imagelength > 2 * limit:
        raise ValueError(f"{page.imagewidth}x{page.imagelength} pixels could be a decompression bomb")
    bounded(math.prod(page.chunks) * page.dtype.itemsize)
    parts = 1 if page.is_contiguous else math.prod(page.chunked)
    there = list(zip(page.dataoffsets, page.databytecounts, strict=False))[:parts]
    if len(there) < parts:
        raise ValueError(f"{len(there):,} of its {parts:,} strips or tiles")
    for number, (start, length) in enumerate(there, 1):
        if start <= 0 or length <= 0 or start + length > size:
            raise ValueError(f"its strip or tile {number:,} is not in the file")


def _page(page: Any, channels: int | None) -> NDArray[Any]:
    """Give the values of a page that has been checked, (H, W, samples), turned as its orientation says."""
    try:
        values = page.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise UnfitError(f"it needs imagecodecs, which is not installed ({error})", _RULE, _HINT) from None
        raise
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype.kind == "b":
        values = values.astype(np.uint8) * np.uint8(255)
    if page.axes == "SYX":
        values = np.moveaxis(values, 0, 2)
    elif page.axes == "YX":
        values = values[..., None]
    if page.photometric == _WHITE_IS_0:
        values = np.subtract(_most(page, values), values, dtype=values.dtype)
    if _is_ink(page, channels):
        values = _of_ink(values, _most(page, values))
    elif channels is not None:
        values = values[..., : _channels(page, channels)]
    return np.ascontiguousarray(_turned(values, int(page.tags[274].value) if 274 in page.tags else 1))


def _channels(page: Any, channels: int) -> int:
    """Give how many channels a page has where so many are wanted."""
    have = int(page.samplesperpixel)
    if _is_ink(page, channels):
        return 3
    return have - 1 if 1 < have != channels and _ends_in_alpha(page) else have


def _ends_in_alpha(page: Any) -> bool:
    """Whether the last sample is no channel; Pillow takes each fourth one behind RGB for such."""
    extra = [int(kind) for kind in page.extrasamples]
    return bool(extra and extra[-1] in _ALPHA) or (page.photometric == _RGB and page.samplesperpixel == 4)


def _is_ink(page: Any, channels: int | None) -> bool:
    """Whether a page has four inks of which RGB is to be made."""
    return channels in (1, 3) and page.photometric == _INK and page.samplesperpixel == 4 and page.dtype == np.uint16


def _of_ink(values: NDArray[Any], most: int) -> NDArray[Any]:
    """Give cyan, magenta, yellow and black, uint16 (H, W, 4), as RGB, (1 - ink) * (1 - black), as Pillow does."""
    paper = np.uint32(most) - values
    return ((paper[..., :3] * paper[..., 3:] + most // 2) // most).astype(np.uint16)


def _most(page: Any, values: NDArray[Any]) -> int:
    """Give the largest value that the samples of a page may have."""
    return 255 if page.dtype.kind == "b" else (1 << min(int(page.bitspersample), 8 * values.dtype.itemsize)) - 1


def _turned(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Give (H, W, C) upright: where row 0 and column 0 belong (TIFF 6.0, tag 274)."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values
