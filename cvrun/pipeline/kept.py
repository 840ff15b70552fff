"""In which shape decoded images are kept: all in the form of the data, or each in its own, to cut regions out of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvrun.data import ImageForm, Manifest
from cvrun.pipeline.decode import FORMATS, Decoded, decode, decode_whole, quiet
from cvrun.pipeline.form import bound_array, fit_array

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
        if manifest.paths is not None:
            return decode(manifest.paths[position], self.form, _hash(manifest, position))
        assert manifest.images is not None
        return Decoded(fit_array(manifest.images[position], self.form), animated=False, turned=False)

    def num_bytes(self, manifest: Manifest, indices: NDArray[np.int64]) -> int:
        """Give how much memory the images at indices take [bytes]."""
        return len(indices) * self.form.size**2 * self.form.channels


@dataclass(frozen=True)
class Bounded:
    """Every image in its own shape.

    Attributes:
        channels: 1 (grey) or 3 (RGB).
        side: [pixels] To which the shorter side is reduced; 0: never.
    """

    channels: int
    side: int

    def about(self) -> str:
        """Give it in a few words."""
        return f"own shape x{self.channels}" + (f", shorter side up to {self.side}" if self.side else "")

    def decode(self, manifest: Manifest, position: int) -> Decoded:
        """Give the image at a position of the manifest, uint8 (h, w, channels).

        Raises:
            ImageError: If it cannot be used.
        """
        if manifest.paths is not None:
            return decode_whole(manifest.paths[position], self.channels, self.side, _hash(manifest, position))
        assert manifest.images is not None
        pixels = bound_array(manifest.images[position], self.channels, self.side)
        return Decoded(pixels, animated=False, turned=False)

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


def _hash(manifest: Manifest, position: int) -> str | None:
    return manifest.hashes[position] if manifest.hashes is not None else None


def _shape(manifest: Manifest, position: int) -> tuple[int, int] | None:
    assert manifest.paths is not None
    try:
        with quiet(), Image.open(manifest.paths[position], formats=FORMATS) as image:
            return image.height, image.width
    # What is wrong with the file is said when it is decoded.
    except Exception:
        return None
