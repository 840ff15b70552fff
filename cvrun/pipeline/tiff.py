"""TIFF files that Pillow does not read, or not to the last bit: by tifffile, an extra of the installation.

Pillow reads one to four samples of 8 bits and one of 16 or 32. It cuts three samples of 16 bits to 8, leaves out what
comes behind the third colour, and refuses everything else.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvrun.pipeline.levels import UnfitError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of a file: little or big end first, and the same with 64-bit offsets (BigTIFF)."""

_RULE, _HINT = "a TIFF file of 1 or 3 samples of 8 bits without it", "pip install 'cvrun[tiff]'"
_ALPHA = (1, 2)
"""Extra samples that are no channel (tag 338): associated and unassociated alpha."""
_PALETTE, _RGB = 3, 2
_BITS, _SAMPLES, _FORMAT, _SIGNED = 258, 277, 339, 2


def is_tiff(content: bytes) -> bool:
    """Whether content begins as a TIFF file does."""
    return content.startswith(MAGIC)


def samples(image: Image.Image) -> int:
    """Give how many samples a pixel has in a TIFF file that Pillow has opened."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    return int(tags.get(_SAMPLES, 1))


def beyond_pillow(image: Image.Image, channels: int | None) -> bool:
    """Whether Pillow, which has opened a TIFF file, would not give all of its values, or not as they are.

    Args:
        image: As it was opened.
        channels: How many are wanted; None: all.
    """
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    bits, signed, bands = tags.get(_BITS, (1,)), tags.get(_FORMAT, (1,))[0] == _SIGNED, len(image.getbands())
    if samples(image) == 1:
        # It takes 8-bit integers for unsigned, and 32-bit ones for signed.
        return bits[0] == (8 if signed else 32) and image.mode != "F"
    left_out = samples(image) != bands and channels != bands
    return left_out or samples(image) > 4 or max(bits) > 8 or signed


def decode(content: bytes, channels: int | None) -> NDArray[np.generic]:
    """Give the values of an image in a TIFF file, (H, W, C), as they are.

    Args:
        content: Of the file.
        channels: How many are wanted: where the first page has one sample and there are as many pages, these are the
            channels; an alpha sample beyond that number is left out. None: the first page, with all samples.

    Raises:
        UnfitError: If it has no such image, tifffile is not installed, or cannot decompress without its codecs.
        ValueError: If it is damaged.
    """
    try:
        import tifffile
    except ImportError:
        raise UnfitError("it needs tifffile, which is not installed", _RULE, _HINT) from None
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        pages: list[Any] = list(file.pages)
        if not pages:
            raise ValueError("no image in it")
        first = _page(pages[0], channels)
        if channels is None or first.shape[2] > 1 or len(pages) != channels:
            return first
        return together([first, *(_page(page, None) for page in pages[1:])])


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


def _page(page: Any, channels: int | None) -> NDArray[Any]:
    """Give the values of a page, (H, W, samples), turned as its orientation says."""
    if page.photometric == _PALETTE:
        raise ValueError("a palette of this kind")
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and page.imagewidth * page.imagelength > 2 * limit:
        raise ValueError(f"{page.imagewidth}x{page.imagelength} pixels could be a decompression bomb")
    try:
        values = page.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise UnfitError(f"it needs imagecodecs, which is not installed ({error})", _RULE, _HINT) from None
        raise
    if page.axes == "SYX":
        values = np.moveaxis(values, 0, 2)
    elif page.axes == "YX":
        values = values[..., None]
    elif page.axes != "YXS":
        raise UnfitError(f"its page has the axes {page.axes} of {values.shape}", "height, width and channels")
    if channels is not None and values.shape[2] == channels + 1 and _ends_in_alpha(page):
        values = values[..., :channels]
    turned = _turned(values, int(page.tags[274].value) if 274 in page.tags else 1)
    return np.ascontiguousarray(turned.astype(turned.dtype.newbyteorder("="), copy=False))


def _ends_in_alpha(page: Any) -> bool:
    """Whether the last sample is no channel; Pillow takes each fourth one behind RGB for such."""
    extra = [int(kind) for kind in page.extrasamples]
    return bool(extra and extra[-1] in _ALPHA) or (page.photometric == _RGB and page.samplesperpixel == 4)


def _turned(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Give (H, W, C) upright: where row 0 and column 0 belong (TIFF 6.0, tag 274)."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values
