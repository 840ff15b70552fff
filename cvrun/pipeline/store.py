"""The decoded images of a split: one uint8 array, made once, out of which batches are gathered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvrun import fault
from cvrun.data import Manifest
from cvrun.errors import DataError, OutOfMemoryError, StorageError
from cvrun.pipeline.decode import Decoded, ImageError, decode, quiet
from cvrun.pipeline.form import fit_array
from cvrun.pipeline.workers import TRIES, GivenUpError, work_through

CHUNK = 64
"""[images] decoded in one go by a thread."""

SMALL = 8192
"""[bytes] mean file size below which one thread is faster than several."""

NAMED = 3
"""[files] that a message names; it counts the others."""


@dataclass(frozen=True)
class Store:
    """Decoded images with their targets.

    Attributes:
        images: uint8 (N, H, W, C).
        targets: Class indices, int64 (N,).
        index: Position of each image in the manifest, int64 (N,).
        animated: Files that hold more frames than the first, which was taken.
        turned: Images that were turned or mirrored, as their EXIF orientation says.
    """

    images: Tensor
    targets: Tensor
    index: Tensor
    animated: int = 0
    turned: int = 0

    def __len__(self) -> int:
        """Give the number of images."""
        return int(self.images.shape[0])

    def digest(self) -> str:
        """Give a sha256 (hex) over the shape, the pixels and the targets, in their order."""
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.numpy().data)
        digest.update(self.targets.numpy().data)
        return digest.hexdigest()

    def remarks(self, name: str) -> str:
        """Give what the user should know of these images, called by a name such as "train"; may be nothing."""
        turned = f"{self.turned:,} {name} images were turned as their EXIF orientation says" if self.turned else ""
        if not self.animated:
            return turned
        animated = f"warning: {self.animated:,} {name} images hold several frames, of which the first is used"
        return f"{animated}; {turned}" if turned else animated


@dataclass(frozen=True)
class _Part:
    """What became of a chunk: pixels (n, H, W, C), the errors by row, and counts as in Store."""

    pixels: NDArray[np.uint8]
    bad: dict[int, ImageError]
    animated: int
    turned: int


def build_store(
    manifest: Manifest, indices: NDArray[np.int64], workers: int, timeout: float, progress: Callable[[int], None]
) -> Store:
    """Give the images at indices, as decode_images does; all of them.

    Raises:
        DataError: If there are others; names the first in the order of indices, and their number.
        OutOfMemoryError: If the images do not fit into memory.
        StorageError: If files are not read in time.
    """
    store, bad = decode_images(manifest, indices, workers, timeout, progress)
    if bad:
        raise cannot_be_used(manifest, bad, f"{len(bad)} of {len(indices)} images cannot be used")
    return store


def cannot_be_used(manifest: Manifest, bad: Mapping[int, ImageError], count: str) -> DataError:
    """Give the error for images that cannot be used: the first with its reason, the names of some, and a count."""
    also = ", ".join(manifest.ids[i] for i in list(bad)[1:NAMED])
    return DataError(str(next(iter(bad.values()))), f"also {also}; {count}" if also else count)


def decode_images(
    manifest: Manifest, indices: NDArray[np.int64], workers: int, timeout: float, progress: Callable[[int], None]
) -> tuple[Store, dict[int, ImageError]]:
    """Give the images at indices, decoded and brought into the manifest's form; no other file is opened.

    Args:
        manifest: What the indices refer to.
        indices: Positions in the manifest, int64 (N,).
        workers: Threads; 0 decodes in this thread, where one that hangs is not replaced. The result does not depend
            on it.
        timeout: [s] After which a thread that has not finished its images is replaced.
        progress: Told, in this thread, how many images are done since the last call.

    Returns:
        The images that can be decoded, and position -> error of the others; both in the order of indices.

    Raises:
        OutOfMemoryError: If the images do not fit into memory.
        StorageError: If files are not read in time.
    """
    form = manifest.form
    images = _empty((len(indices), form.size, form.size, form.channels))
    bad: dict[int, ImageError] = {}
    animated = turned = 0
    # The row that each chunk is at, for a message.
    at: dict[int, int] = {}
    starts = range(0, len(indices), CHUNK)
    threads = min(workers, 1) if _are_small(manifest, indices) else workers
    try:
        with quiet():
            for start, part in work_through(
                lambda start: _part(manifest, indices, start, at), starts, threads, timeout
            ):
                images[start : start + len(part.pixels)] = part.pixels
                bad.update(part.bad)
                animated, turned = animated + part.animated, turned + part.turned
                progress(len(part.pixels))
    except GivenUpError as error:
        raise _not_read(manifest, int(indices[at.get(error.chunk, error.chunk)]), str(error)) from error
    by_position = {int(indices[row]): bad[row] for row in sorted(bad)}
    if bad:
        good = np.setdiff1d(np.arange(len(indices)), list(bad))
        images, indices = images[good], indices[good]
    targets, index = torch.from_numpy(manifest.labels[indices]), torch.from_numpy(indices.copy())
    return Store(torch.from_numpy(images), targets, index, animated, turned), by_position


def _part(manifest: Manifest, indices: NDArray[np.int64], start: int, at: dict[int, int]) -> _Part:
    """Decode a chunk into memory of its own, so that a try which was given up touches nothing."""
    form = manifest.form
    positions = indices[start : start + CHUNK].tolist()
    at[start] = start
    bad: dict[int, ImageError] = {}
    animated = turned = 0
    try:
        fault.point("decode.chunk")
        pixels = np.empty((len(positions), form.size, form.size, form.channels), dtype=np.uint8)
        for row, position in enumerate(positions):
            at[start] = start + row
            try:
                found = _decoded(manifest, position)
            except ImageError as error:
                bad[start + row] = error
                continue
            pixels[row] = found.pixels
            animated += found.animated
            turned += found.turned
    except MemoryError as error:
        what = _where(manifest, int(indices[at[start]]))
        hint = "set fewer workers or a smaller data.size"
        raise OutOfMemoryError(f"{what}: not enough memory to decode it", hint) from error
    return _Part(pixels, bad, animated, turned)


def _decoded(manifest: Manifest, position: int) -> Decoded:
    if manifest.paths is not None:
        sha256 = manifest.hashes[position] if manifest.hashes is not None else None
        return decode(manifest.paths[position], manifest.form, sha256)
    assert manifest.images is not None
    return Decoded(fit_array(manifest.images[position], manifest.form), animated=False, turned=False)


def _empty(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        return np.empty(shape, dtype=np.uint8)
    except MemoryError:
        need = np.prod(shape, dtype=np.float64) / 2**30
        raise OutOfMemoryError(
            f"{shape[0]} images of {shape[1]}x{shape[2]}x{shape[3]} need {need:.1f} GiB of memory",
            "set a smaller data.size",
        ) from None


def _where(manifest: Manifest, position: int) -> str:
    return str(manifest.paths[position]) if manifest.paths is not None else f"image {manifest.ids[position]}"


def _not_read(manifest: Manifest, position: int, fact: str) -> StorageError:
    message = f"{_where(manifest, position)}: {fact}, tried {TRIES} times"
    if manifest.paths is None:
        return StorageError(message)
    root = os.path.commonpath([path.parent for path in manifest.paths])
    return StorageError(message, f"does the disk of {root} answer? worker_timeout=SECONDS waits longer")


def _are_small(manifest: Manifest, indices: NDArray[np.int64]) -> bool:
    """Whether an image costs more time in Python, where threads wait for each other, than in the decoder."""
    if manifest.paths is None:
        return manifest.images is not None and int(manifest.images[:1].nbytes) < SMALL
    sample = [manifest.paths[i] for i in indices[:: max(len(indices) // CHUNK, 1)].tolist()]
    sizes = [path.stat().st_size for path in sample if path.is_file()]
    return bool(sum(sizes) < SMALL * len(sizes))
