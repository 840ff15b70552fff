"""Handwritten digits: 1,797 real 8x8 grey images in 10 classes; nothing to download."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvrun.data import ImageForm, Manifest


@dataclass(frozen=True)
class Config:
    """The keys of data=digits."""

    size: int
    channels: int
    fit: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        ImageForm(self.size, self.channels, self.fit)


def build(config: Config) -> Manifest:
    """Give the test part of the UCI set "Optical Recognition of Handwritten Digits", as scikit-learn ships it.

    The grey values 0 to 16 become 0 to 255. The images stay 8x8; the pipeline brings them to config's size.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * 255.0 / 16.0).astype(np.uint8)
    return Manifest(
        ids=tuple(f"{i:04d}" for i in range(len(grey))),
        labels=digits.target.astype(np.int64),
        classes=tuple(str(name) for name in digits.target_names),
        form=ImageForm(config.size, config.channels, config.fit),
        images=grey[..., None],
    )
