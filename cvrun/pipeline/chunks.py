"""Images decoded by workers, a chunk at a time and in order, whatever they are then put into."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvrun import fault
from cvrun.data import Manifest
from cvrun.data._labels import targets_of
from cvrun.errors import OutOfMemoryError, StorageError
from cvrun.pipeline.decode import ImageError, quiet
from cvrun.pipeline.kept import Kept
from cvrun.pipeline.workers import TRIES, GivenUpError, in_order

CHUNK = 64
"""[images] decoded in one go by a thread, at most."""

CHUNK_BYTES = 8 << 20
"""[bytes] of decoded images above which a chunk has fewer."""

SMALL = 8192
"""[bytes] mean file size below which one thread is faster than several."""


Bad = dict[int, ImageError]
"""Position in the manifest -> error of an image that cannot be used, in the order of the rows."""


@dataclass(frozen=True)
class Decoding:
    """What is to be decoded, and how.

    Attributes:
        name: What the user calls these images, such as "train".
        manifest: What the indices refer to.
        indices: Positions in the manifest, int64 (N,); the rows of what is made.
        kept: The shape of the images.
        workers: Threads; 0 decodes in the calling thread, where one that hangs is not replaced. The result does not
            depend on it.
        timeout: [s] After which a thread that has not finished its chunk is replaced.
    """

    name: str
    manifest: Manifest
    indices: NDArray[np.int64]
    kept: Kept
    workers: int
    timeout: float

    def num_bytes(self) -> int:
        """Give how much memory the images take [bytes], about where they differ in size."""
        return self.kept.num_bytes(self.manifest, self.indices)

    def without(self, bad: Iterable[int]) -> tuple[Tensor, Tensor]:
        """Give targets, and positions, int64 (n,), of all images but those at the bad positions."""
        left = self.indices[~np.isin(self.indices, list(bad))]
        return torch.from_numpy(targets_of(self.manifest, left)), torch.from_numpy(left)

    def source(self) -> str:
        """Give the folder that all files of the manifest lie in, or "" where there is none or it may not be shown."""
        paths = self.manifest.paths if self.manifest.named else None
        return os.path.commonpath([path.parent for path in paths]) if paths is not None else ""

    def where(self, row: int) -> str:
        """Give the file of a row, or the name of the image."""
        return self.manifest.where(int(self.indices[row]))


@dataclass(frozen=True)
class Chunk:
    """What became of some rows.

    Attributes:
        num: Rows of the chunk.
        pixels: The images of those that could be decoded, one after another, uint8 (bytes,).
        sizes: Height and width of each of these.
        bad: Row -> error of the others.
        animated: Files that hold more frames than the first.
        turned: Images that were turned as their EXIF orientation says.
    """

    num: int
    pixels: NDArray[np.uint8]
    sizes: list[tuple[int, int]]
    bad: dict[int, ImageError]
    animated: int
    turned: int


def decoded(decoding: Decoding) -> Generator[Chunk]:
    """Give all rows, chunk by chunk, in order; no other file is opened.

    Raises:
        OutOfMemoryError: If the memory does not suffice.
        StorageError: If files are not read in time.
    """
    count = len(decoding.indices)
    each = max(decoding.num_bytes() // max(count, 1), 1)
    size = max(min(CHUNK, CHUNK_BYTES // each), 1)
    workers = min(decoding.workers, 1) if are_small(decoding) else decoding.workers
    # The row that each chunk is at, for a message.
    at: dict[int, int] = {}
    try:
        with quiet():
            yield from in_order(
                lambda start: _chunk(decoding, start, size, at), range(0, count, size), workers, decoding.timeout
            )
    except GivenUpError as error:
        start = error.chunk * size
        raise not_read(decoding, at.get(start, start), str(error)) from error


@dataclass(frozen=True)
class Outcome:
    """What became of all rows: who cannot be used, and counts as in Chunk."""

    bad: Bad
    animated: int
    turned: int


def decode_into(
    put: Callable[[NDArray[np.uint8], list[tuple[int, int]]], None], decoding: Decoding, progress: Callable[[int], None]
) -> Outcome:
    """Decode all rows, in order.

    Args:
        put: Takes some of the images that can be decoded, one after another, uint8 (bytes,), and their sizes.
        decoding: What is to be decoded.
        progress: Told, in this thread, how many rows are done since the last call.

    Raises:
        OutOfMemoryError: As decoded.
        StorageError: As decoded.
    """
    bad: Bad = {}
    animated = turned = 0
    with closing(decoded(decoding)) as chunks:
        for chunk in chunks:
            put(chunk.pixels, chunk.sizes)
            bad.update((int(decoding.indices[row]), error) for row, error in chunk.bad.items())
            animated, turned = animated + chunk.animated, turned + chunk.turned
            progress(chunk.num)
    return Outcome(bad, animated, turned)


def _chunk(decoding: Decoding, start: int, size: int, at: dict[int, int]) -> Chunk:
    """Decode a chunk into memory of its own, so that a try which was given up touches nothing."""
    positions = decoding.indices[start : start + size].tolist()
    at[start] = start
    images: list[NDArray[np.uint8]] = []
    bad: dict[int, ImageError] = {}
    animated = turned = 0
    try:
        fault.point("decode.chunk")
        for row, position in enumerate(positions, start):
            at[start] = row
            try:
                image = decoding.kept.decode(decoding.manifest, position)
            except ImageError as error:
                bad[row] = error
                continue
            images.append(image.pixels)
            animated += image.animated
            turned += image.turned
        # Here, where other threads work meanwhile.
        pixels = np.concatenate([image.reshape(-1) for image in images] or [np.empty(0, dtype=np.uint8)])
    except MemoryError as error:
        hint = "set fewer workers or a smaller data.size"
        raise OutOfMemoryError(f"{decoding.where(at[start])}: not enough memory to decode it", hint) from error
    sizes = [(image.shape[0], image.shape[1]) for image in images]
    return Chunk(len(positions), pixels, sizes, bad, animated, turned)


def not_read(decoding: Decoding, row: int, fact: str) -> StorageError:
    """Give the error for a row that no thread has finished, however often it was tried."""
    message = f"{decoding.where(row)}: {fact}, tried {TRIES} times"
    if decoding.manifest.images is not None:
        return StorageError(message)
    disk = f"the disk of {decoding.source()}" if decoding.source() else "the disk of the data"
    return StorageError(message, f"does {disk} answer? worker_timeout=SECONDS waits longer")


def are_small(decoding: Decoding) -> bool:
    """Whether an image costs more time in Python, where threads wait for each other, than in the decoder."""
    manifest, indices = decoding.manifest, decoding.indices
    if manifest.images is not None:
        return int(manifest.images[:1].nbytes) < SMALL
    sample = indices[:: max(len(indices) // CHUNK, 1)].tolist()
    if manifest.encoded is not None:
        sizes = [manifest.encoded.size(i) for i in sample]
    else:
        assert manifest.paths is not None
        paths = [manifest.paths[i] for i in sample]
        sizes = [path.stat().st_size for path in paths if path.is_file()]
    return bool(sum(sizes) < SMALL * len(sizes))
