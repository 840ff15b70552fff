"""The form of an image: colour modes, resizing, for Pillow images and for arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvrun.data import ImageForm
from cvrun.pipeline.levels import UnfitError, levels


def bring(image: Image.Image, form: ImageForm) -> NDArray[np.uint8]:
    """Give a Pillow image in the given form, uint8 (size, size, channels).

    Raises:
        ValueError: If the colour mode has no defined range.
    """
    return _pixels(_resized(_in_channels(image, form.channels), form))


def fit_array(image: NDArray[np.uint8], form: ImageForm) -> NDArray[np.uint8]:
    """Give an array, uint8 (H, W, C), in the given form, uint8 (size, size, channels).

    Raises:
        UnfitError: If it has other channels, and they are not grey where RGB is wanted, or RGB where grey is.
    """
    if image.shape == (form.size, form.size, form.channels):
        return image
    if is_picture(image.shape[2], form.channels):
        return bring(_image(image), form)
    grey = ImageForm(form.size, 1, form.fit)
    return np.concatenate([bring(_image(plane), grey) for plane in _planes(image)], axis=2)


def bound(image: Image.Image, channels: int, side: int) -> NDArray[np.uint8]:
    """Give a Pillow image in its own shape, its shorter side at most side (0: any), uint8 (h, w, channels).

    Raises:
        ValueError: If the colour mode has no defined range.
    """
    image = _in_channels(image, channels)
    shorter = min(image.size)
    if 0 < side < shorter:
        # A long strip may be many times longer than it is wide.
        size = (max(round(image.width * side / shorter), 1), max(round(image.height * side / shorter), 1))
        image = image.resize(size, Image.Resampling.BILINEAR)
    return _pixels(image)


def bound_array(image: NDArray[np.uint8], channels: int, side: int) -> NDArray[np.uint8]:
    """Give an array, uint8 (H, W, C), as bound does.

    Raises:
        UnfitError: As fit_array.
    """
    if image.shape[2] == channels and not 0 < side < min(image.shape[:2]):
        return image
    if is_picture(image.shape[2], channels):
        return bound(_image(image), channels, side)
    return np.concatenate([bound(_image(plane), 1, side) for plane in _planes(image)], axis=2)


def is_picture(have: int, channels: int) -> bool:
    """Whether an image with so many channels is grey or RGB and becomes one of these.

    Raises:
        UnfitError: If not, and it has other channels than are wanted.
    """
    if have in (1, 3) and channels in (1, 3):
        return True
    if have != channels:
        rule = f"the {channels} of data.channels"
        raise UnfitError(f"it has {have} channel{'' if have == 1 else 's'}", rule, f"set data.channels={have}")
    return False


def _planes(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [image[..., channel : channel + 1] for channel in range(image.shape[2])]


def _image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _in_channels(image: Image.Image, channels: int) -> Image.Image:
    grey_or_rgb = plain(image)
    wanted = "L" if channels == 1 else "RGB"
    return grey_or_rgb if grey_or_rgb.mode == wanted else grey_or_rgb.convert(wanted)


def plain(image: Image.Image) -> Image.Image:
    """Give an image of any mode as 8-bit grey ("L") or colour ("RGB").

    Raises:
        UnfitError: If its numbers have no range of their own.
        ValueError: If its colours have none.
    """
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
    return Image.fromarray(levels(np.asarray(image).astype(np.uint16, copy=False), None))


def _from_32_bits(image: Image.Image) -> Image.Image:
    """Give a wide PGM file as 8 bits; Pillow scales those, and only those, to 0 to 65535."""
    if image.format != "PPM":
        return _without_range(image)
    return _from_16_bits(image)


def _without_range(image: Image.Image) -> Image.Image:
    """Raise UnfitError, which says what the values are."""
    return Image.fromarray(levels(np.asarray(image), None))


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
    "F": _without_range,
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
