"""In which shape decoded images are kept: all in the form of the data, or each in its own, to cut regions out of."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cvrun.data import Encoded, ImageForm, Manifest
from cvrun.pipeline.decode import Decoded, ImageError, Source, decode_from, decode_whole_from, quiet
from cvrun.pipeline.form import bound_array, fit_array
from cvrun.pipeline.levels import Range, UnfitError, levels
from cvrun.pipeline.raw import FORMATS, raw

SAMPLED = 64
"""[images] whose headers are read for an estimate."""


@dataclass(frozen=True)
class Whole:
    """Every image in the form of the data, so that all have one shape."""

    form: ImageForm

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of each image."""
        return self.form.size, self.form.size, self.form.channels

    def about(self) -> str:
        """Give it in a few words."""
        return f"{self.form.size}x{self.form.size}x{self.form.channels} {self.form.fit}"

    def decode(self, manifest: Manifest, position: int) -> Decoded:
        """Give the image at a position of the manifest, uint8 (size, size, channels).

        Raises:
            ImageError: If it cannot be used.
        """
        if manifest.images is None:
            return decode_from(source_of(manifest, position), self.form)
        form = self.form
        return _embedded(manifest, position, form.value_range, lambda pixels: fit_array(pixels, form))

    def num_bytes(self, manifest: Manifest, indices: NDArray[np.int64]) -> int:
        """Give how much memory the images at indices take [bytes]."""
        return len(indices) * self.form.size**2 * self.form.channels


@dataclass(frozen=True)
class Bounded:
    """Every image in its own shape.

    Attributes:
        channels: 1 (grey), 3 (RGB), or as many as every image has.
        side: [pixels] To which the shorter side is reduced; 0: never.
        value_range: As in ImageForm.
    """

    channels: int
    side: int
    value_range: Range | None = None

    def __repr__(self) -> str:
        """Give it as text that names decoded images: without a range as before there were any."""
        limits = "" if self.value_range is None else f", value_range={self.value_range!r}"
        return f"Bounded(channels={self.channels!r}, side={self.side!r}{limits})"

    def about(self) -> str:
        """Give it in a few words."""
        return f"own shape x{self.channels}" + (f", shorter side up to {self.side}" if self.side else "")

    def decode(self, manifest: Manifest, position: int) -> Decoded:
        """Give the image at a position of the manifest, uint8 (h, w, channels).

        Raises:
            ImageError: If it cannot be used.
        """
        channels, side, limits = self.channels, self.side, self.value_range
        if manifest.images is None:
            return decode_whole_from(source_of(manifest, position), channels, side, limits)
        return _embedded(manifest, position, limits, lambda pixels: bound_array(pixels, channels, side))

    def num_bytes(self, manifest: Manifest, indices: NDArray[np.int64]) -> int:
        """Give about how much memory the images at indices take [bytes]; the headers of SAMPLED files are read."""
        if manifest.images is not None:
            found = [manifest.images.shape[1:3]]
        else:
            sample = indices[:: max(len(indices) // SAMPLED, 1)].tolist()
            found = [shape for i in sample if (shape := _shape(manifest, i))]
        pixels = [self._bounded(*shape) for shape in found]
        return round(len(indices) * self.channels * sum(pixels) / len(pixels)) if pixels else 0

    def _bounded(self, height: int, width: int) -> float:
        shorter = min(height, width)
        scale = self.side / shorter if 0 < self.side < shorter else 1.0
        return height * width * scale**2


Kept = Whole | Bounded


def source_of(manifest: Manifest, position: int) -> Source:
    """Give where the content of an image comes from, which lies in a file of its own or inside of another one."""
    declared = manifest.hashes[position] if manifest.hashes is not None else None
    if manifest.paths is not None:
        return Source(manifest.paths[position].read_bytes, manifest.where(position), declared)
    assert manifest.encoded is not None
    return Source(partial(_content, manifest, manifest.encoded, position), manifest.where(position), declared)


def _content(manifest: Manifest, encoded: Encoded, position: int) -> bytes:
    try:
        return encoded.read(position)
    except OSError as error:
        if manifest.named or error.strerror:
            raise
        # Its text may name the file.
        raise OSError(errno.EIO, os.strerror(errno.EIO)) from None


def _embedded(
    manifest: Manifest, position: int, limits: Range | None, finish: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> Decoded:
    assert manifest.images is not None
    pixels = manifest.images[position]
    try:
        return Decoded(finish(pixels if limits is None else levels(pixels, limits)), animated=False, turned=False)
    except UnfitError as error:
        raise ImageError(manifest.where(position), error.reason, error.rule, error.hint) from error


def _shape(manifest: Manifest, position: int) -> tuple[int, int] | None:
    """Give height and width; None where they cannot be read."""
    try:
        # Of a file of its own only the header is read.
        file = manifest.paths[position] if manifest.paths is not None else None
        content = source_of(manifest, position).read
        with quiet():
            try:
                with Image.open(file or io.BytesIO(content()), formats=FORMATS) as image:
                    return image.height, image.width
            except UnidentifiedImageError:
                found = raw(content()).values.shape
                return found[0], found[1]
    # What is wrong with the file is said when it is decoded.
    except Exception:
        return None
