"""Mean 0 and standard deviation 1 for each channel, over the training images alone.

The result is not bounded and its distribution keeps its shape. The numbers are exact: sums of integers, divided once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cvrun.cache import cache_folder
from cvrun.normalize import Affine, Source

CHUNK = 1 << 26
"""Pixel values that are counted at a time, which bounds the memory."""

Moments = tuple[int, list[int], list[int]]
"""Pixels a channel, sum of each channel, sum of squares of each channel; exact."""


@dataclass(frozen=True)
class Config:
    """No keys: everything follows from the training images."""


def build(config: Config, source: Source) -> Affine:
    """Give the normalization by mean and population standard deviation; a constant channel is only shifted.

    The sums are kept in the cache folder under the fingerprint of the training images. A cache file that is damaged
    is replaced, and a folder that cannot be written is done without.
    """
    path = cache_folder() / "normalize" / f"{source.fingerprint()}.json"
    found = _read(path, source.channels)
    if found is None:
        found = moments(source.train_images(), source.channels)
        _write(path, found)
    count, sums, squares = found
    mean = tuple(total / (255 * count) for total in sums)
    # count * squares - sum ** 2 is an integer, so nothing cancels in floating point.
    variance = [
        (count * square - total * total) / (255 * count) ** 2 for total, square in zip(sums, squares, strict=True)
    ]
    return Affine(mean, tuple(math.sqrt(value) if value > 0 else 1.0 for value in variance))


def moments(images: Iterable[Tensor], channels: int) -> Moments:
    """Give the exact moments of images that come in parts of any shape, uint8 (..., C)."""
    values = torch.arange(256)
    histogram = torch.zeros(channels, 256, dtype=torch.int64)
    for part in images:
        for chunk in part.reshape(-1, channels).split(max(1, CHUNK // channels)):  # type: ignore[no-untyped-call]
            for channel in range(channels):
                histogram[channel] += torch.bincount(chunk[:, channel], minlength=256)
    return int(histogram[0].sum()), (histogram @ values).tolist(), (histogram @ values.square()).tolist()


def _read(path: Path, channels: int) -> Moments | None:
    """Give what _write wrote, or None when there is no file or it is not what was written."""
    try:
        count, sums, squares, check = json.loads(path.read_text())
    except (OSError, ValueError, TypeError):
        return None
    intact = check == _check((count, sums, squares)) and len(sums) == channels
    return (count, sums, squares) if intact else None


def _write(path: Path, found: Moments) -> None:
    """Write found so that a reader sees all of it or nothing; do nothing when the folder cannot be written."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump([*found, _check(found)], file)
            os.replace(name, path)
        except OSError:
            os.unlink(name)


def _check(found: Moments) -> str:
    return hashlib.blake2b(json.dumps(found).encode(), digest_size=8).hexdigest()
