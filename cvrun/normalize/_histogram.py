"""How often each level occurs in the training images: one pass, exact, and all that any statistic is fitted from.

Kept in the cache folder under the fingerprint of the pixels, for whatever is fitted next.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from cvrun.cache import cache_folder
from cvrun.errors import StorageError
from cvrun.folder import write_atomic
from cvrun.normalize import Source

LEVELS = 256

CHUNK = 1 << 26
"""Pixel values that are counted at a time, which bounds the memory."""


def fitted(source: Source, scope: str) -> Tensor:
    """Give the histogram of the training images, int64 (C, 256), or (1, 256) of all channels together.

    A cache file that is damaged or of other pixels is replaced, and a folder that cannot be written is done without.

    Args:
        source: The images.
        scope: channel or global.
    """
    fingerprint = source.fingerprint()
    path = cache_folder() / "normalize" / f"{fingerprint}.histogram.json"
    found = _read(path, fingerprint, source.channels)
    if found is None:
        found = histogram(source.train_images(), source.channels)
        _write(path, fingerprint, found)
    return found.sum(0, keepdim=True) if scope == "global" else found


def histogram(images: Iterable[Tensor], channels: int) -> Tensor:
    """Give the exact counts, int64 (C, 256), of images that come in parts of any shape, uint8 (..., C)."""
    counts = torch.zeros(channels, LEVELS, dtype=torch.int64)
    for part in images:
        for chunk in part.reshape(-1, channels).split(max(1, CHUNK // channels)):  # type: ignore[no-untyped-call]
            for channel in range(channels):
                counts[channel] += torch.bincount(chunk[:, channel], minlength=LEVELS)
    return counts


def mean_and_std(counts: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give mean and population standard deviation of each row of counts (C, 256), on the scale [0, 1].

    A row of one level gets the deviation 1, so that it is only shifted.
    """
    values = torch.arange(LEVELS)
    num, sums = counts.sum(1).tolist(), (counts @ values).tolist()
    squares = (counts @ values.square()).tolist()
    mean = tuple(total / (255 * n) for n, total in zip(num, sums, strict=True))
    # n * square - total ** 2 is an integer, so nothing cancels in floating point.
    variance = [
        (n * square - total * total) / (255 * n) ** 2 for n, total, square in zip(num, sums, squares, strict=True)
    ]
    return mean, tuple(math.sqrt(value) if value > 0 else 1.0 for value in variance)


def quantile(counts: Tensor, share: float) -> tuple[float, ...]:
    """Give the level below which a share of the pixels lies, for each row of counts (C, 256).

    As numpy.quantile: between the two pixels that are nearest, in proportion. 0 gives the lowest, 1 the highest level.
    """
    return tuple(_quantile(row, share) for row in counts.cumsum(1))


def _quantile(ends: Tensor, share: float) -> float:
    position = share * (int(ends[-1]) - 1)
    below = math.floor(position)
    wanted = torch.tensor([below, math.ceil(position)])
    first, second = torch.searchsorted(ends, wanted, right=True).tolist()
    return float(first + (position - below) * (second - first))


def _read(path: Path, fingerprint: str, channels: int) -> Tensor | None:
    """Give what _write wrote, or None when there is no file or it is not what was written."""
    try:
        counts, check = json.loads(path.read_text())
        intact = check == _check(fingerprint, counts) and len(counts) == channels
        return torch.tensor(counts, dtype=torch.int64) if intact else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _write(path: Path, fingerprint: str, counts: Tensor) -> None:
    """Write counts so that a reader sees all of them or nothing; do nothing when the folder cannot be written."""
    with contextlib.suppress(StorageError):
        write_atomic(path, json.dumps([counts.tolist(), _check(fingerprint, counts.tolist())]).encode())


def _check(fingerprint: str, counts: list[list[int]]) -> str:
    return hashlib.blake2b(json.dumps([fingerprint, counts]).encode(), digest_size=8).hexdigest()
