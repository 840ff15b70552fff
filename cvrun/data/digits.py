"""Handwritten digits: 1,797 real 8x8 grey images in 10 classes; nothing to download."""

from __future__ import annotations

import gzip
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvrun.data import ImageForm, Manifest
from cvrun.physical import Pixels


@dataclass(frozen=True)
class Config:
    """The keys of data=digits."""

    size: Pixels
    channels: int
    fit: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        ImageForm(self.size, self.channels, self.fit)


def build(config: Config) -> Manifest:
    """Give the test part of the UCI set "Optical Recognition of Handwritten Digits", as scikit-learn ships it.

    The grey values 0 to 16 become 0 to 255. The images stay 8x8; the pipeline brings them to config's size.
    """
    rows = _rows()
    grey = np.rint(rows[:, :-1].reshape(-1, 8, 8) * 255.0 / 16.0).astype(np.uint8)
    return Manifest(
        ids=tuple(f"{i:04d}" for i in range(len(grey))),
        labels=rows[:, -1].astype(np.int64),
        classes=tuple("0123456789"),
        form=ImageForm(config.size, config.channels, config.fit),
        images=grey[..., None],
    )


def _rows() -> NDArray[np.uint8]:
    """Give 64 grey values and the class of each image, uint8 (N, 65), out of scikit-learn's file."""
    for folder in sys.path:
        path = Path(folder, "sklearn", "datasets", "data", "digits.csv.gz")
        if path.is_file():
            with gzip.open(path, "rt") as file:
                return np.loadtxt(file, delimiter=",", dtype=np.uint8)
    # It lies elsewhere. scikit-learn finds it, but takes half a second to import.
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.column_stack([digits.data, digits.target]).astype(np.uint8)
