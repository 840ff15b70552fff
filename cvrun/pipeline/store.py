"""The decoded images of a split: one uint8 array, made once, out of which batches are gathered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvrun.data import Manifest
from cvrun.errors import DataError, OutOfMemoryError
from cvrun.pipeline.decode import decode, fit_array, quiet

CHUNK = 64
"""[images] decoded in one go by a thread."""

SMALL = 8192
"""[bytes] mean file size below which one thread is faster than several."""


@dataclass(frozen=True)
class Store:
    """Decoded images with their targets.

    Attributes:
        images: uint8 (N, H, W, C).
        targets: Class indices, int64 (N,).
        index: Position of each image in the manifest, int64 (N,).
    """

    images: Tensor
    targets: Tensor
    index: Tensor

    def __len__(self) -> int:
        """Give the number of images."""
        return int(self.images.shape[0])

    def digest(self) -> str:
        """Give a sha256 (hex) over the shape, the pixels and the targets, in their order."""
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.numpy().data)
        digest.update(self.targets.numpy().data)
        return digest.hexdigest()


def build_store(manifest: Manifest, indices: NDArray[np.int64], workers: int, progress: Callable[[int], None]) -> Store:
    """Give the images at indices, decoded and brought into the manifest's form; no other file is opened.

    Args:
        manifest: What the indices refer to.
        indices: Positions in the manifest, int64 (N,).
        workers: Threads; 0 decodes in this thread. The result does not depend on it.
        progress: Told, in this thread, how many images are done since the last call.

    Raises:
        DataError: If files cannot be decoded; names the first of them in the order of indices, and their number.
        OutOfMemoryError: If the images do not fit into memory.
    """
    form = manifest.form
    shape = (len(indices), form.size, form.size, form.channels)
    try:
        images = np.empty(shape, dtype=np.uint8)
    except MemoryError:
        need = np.prod(shape, dtype=np.float64) / 2**30
        raise OutOfMemoryError(
            f"{shape[0]} images of {form.size}x{form.size}x{form.channels} need {need:.1f} GiB of memory",
            "set a smaller data.size",
        ) from None
    starts = range(0, len(indices), CHUNK)
    bad: list[DataError] = []
    with quiet():
        for start, errors in zip(starts, _run(manifest, indices, images, starts, workers), strict=True):
            bad.extend(errors)
            progress(min(CHUNK, len(indices) - start))
    if bad:
        raise DataError(str(bad[0]), f"{len(bad)} of {len(indices)} images cannot be used")
    return Store(torch.from_numpy(images), torch.from_numpy(manifest.labels[indices]), torch.from_numpy(indices.copy()))


def _run(
    manifest: Manifest, indices: NDArray[np.int64], images: NDArray[np.uint8], starts: range, workers: int
) -> Iterator[list[DataError]]:
    """Fill images chunk by chunk; give the errors of each chunk, in order."""

    def fill(start: int) -> list[DataError]:
        return _fill(manifest, indices[start : start + CHUNK], images[start : start + CHUNK])

    if workers == 0 or _are_small(manifest, indices):
        yield from map(fill, starts)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        yield from pool.map(fill, starts)


def _fill(manifest: Manifest, indices: NDArray[np.int64], into: NDArray[np.uint8]) -> list[DataError]:
    errors = []
    for row, i in enumerate(indices.tolist()):
        try:
            if manifest.images is not None:
                into[row] = fit_array(manifest.images[i], manifest.form)
            elif manifest.paths is not None:
                into[row] = decode(manifest.paths[i], manifest.form)
        except DataError as error:
            errors.append(error)
    return errors


def _are_small(manifest: Manifest, indices: NDArray[np.int64]) -> bool:
    """Whether an image costs more time in Python, where threads wait for each other, than in the decoder."""
    if manifest.paths is None:
        return manifest.images is not None and int(manifest.images[:1].nbytes) < SMALL
    sample = [manifest.paths[i] for i in indices[:: max(len(indices) // CHUNK, 1)].tolist()]
    sizes = [path.stat().st_size for path in sample if path.is_file()]
    return bool(sum(sizes) < SMALL * len(sizes))
