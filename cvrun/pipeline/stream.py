"""Images that are decoded whenever they are needed: for data that is too large to be kept decoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvrun import fault
from cvrun.data import Manifest
from cvrun.data._labels import targets_of
from cvrun.errors import DataError, OutOfMemoryError
from cvrun.pipeline.decode import ImageError, quiet
from cvrun.pipeline.kept import Kept


@dataclass(frozen=True)
class Stream:
    """Images in their files, with their targets; the same pixels as a store of them has.

    Attributes:
        manifest: What index refers to.
        kept: The shape that a store would keep them in.
        targets: Class indices, int64 (N,).
        index: Position of each image in the manifest, int64 (N,).
        slow: Whether `take` works long: always.
    """

    manifest: Manifest
    kept: Kept
    targets: Tensor
    index: Tensor
    slow: bool = True

    def __len__(self) -> int:
        """Give the number of images."""
        return len(self.index)

    def at(self, row: int) -> Tensor:
        """Give the image of a row, uint8 (h, w, C).

        Raises:
            DataError: If it cannot be used.
            OutOfMemoryError: If there is not enough memory to decode it.
        """
        position = int(self.index[row])
        try:
            fault.point("stream.image")
            with quiet():
                pixels = self.kept.decode(self.manifest, position).pixels
        except ImageError as error:
            raise DataError(str(error), "its turn came in the middle; cache=disk looks at all images first") from error
        except MemoryError as error:
            name, hint = self.where(row), "set fewer workers or a smaller data.size"
            raise OutOfMemoryError(f"{name}: not enough memory to decode it", hint) from error
        # Pillow's arrays may not be written, which torch warns of.
        return torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())

    def take(self, rows: Tensor, keys: Tensor) -> Tensor:
        """Give the images at rows, int64 (B,), as uint8 (B, H, W, C); nothing is drawn. They must have one shape.

        Raises:
            CvrunError: As at.
        """
        return torch.stack([self.at(row) for row in rows.tolist()])

    def digest(self) -> str:
        """Give nothing: the pixels are not known before they are needed."""
        return ""

    def remarks(self, name: str) -> str:
        """Give nothing, for the same reason."""
        return ""

    def where(self, row: int) -> str:
        """Give the file of a row, or the name of the image."""
        return self.manifest.where(int(self.index[row]))


def stream_of(manifest: Manifest, indices: NDArray[np.int64], kept: Kept) -> Stream:
    """Give the images at indices, positions in the manifest, int64 (N,); no file is opened."""
    return Stream(manifest, kept, torch.from_numpy(targets_of(manifest, indices)), torch.from_numpy(indices.copy()))
