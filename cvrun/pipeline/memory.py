"""Images decoded into memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from cvrun.data import ImageForm, Manifest
from cvrun.errors import OutOfMemoryError
from cvrun.pipeline.chunks import Bad, Decoding, decode_into
from cvrun.pipeline.kept import Bounded, Whole
from cvrun.pipeline.store import Ragged, Store, offsets_of
from cvrun.pipeline.unreadable import cannot_be_used


def build_store(
    manifest: Manifest, indices: NDArray[np.int64], workers: int, timeout: float, progress: Callable[[int], None]
) -> Store:
    """Give the images at indices, decoded into the manifest's form; all of them.

    The arguments are those of Decoding and of decode_into.

    Raises:
        DataError: If some cannot be used; names the first in the order of indices, and their number.
        OutOfMemoryError: If the images do not fit into memory.
        StorageError: If files are not read in time.
    """
    form = manifest.form
    store, bad = whole_in_memory(Decoding("given", manifest, indices, Whole(form), workers, timeout), form, progress)
    if bad:
        raise cannot_be_used(manifest, bad, f"{len(bad)} of {len(indices)} images cannot be used")
    return store


def in_memory(decoding: Decoding, progress: Callable[[int], None]) -> tuple[Store | Ragged, Bad]:
    """Give the images that can be decoded, and the errors of the others.

    Raises:
        OutOfMemoryError: If the images do not fit into memory.
        StorageError: If files are not read in time.
    """
    if isinstance(decoding.kept, Bounded):
        return ragged_in_memory(decoding, decoding.kept.channels, progress)
    return whole_in_memory(decoding, decoding.kept.form, progress)


def whole_in_memory(decoding: Decoding, form: ImageForm, progress: Callable[[int], None]) -> tuple[Store, Bad]:
    """Give what in_memory gives for images of this form."""
    images = _empty((len(decoding.indices), form.size, form.size, form.channels))
    done = 0

    def put(pixels: NDArray[np.uint8], sizes: list[tuple[int, int]]) -> None:
        nonlocal done
        images[done : done + len(sizes)] = pixels.reshape(-1, *images.shape[1:])
        done += len(sizes)

    outcome = decode_into(put, decoding, progress)
    targets, index = decoding.without(outcome.bad)
    return Store(torch.from_numpy(images[:done]), targets, index, outcome.animated, outcome.turned), outcome.bad


def ragged_in_memory(decoding: Decoding, channels: int, progress: Callable[[int], None]) -> tuple[Ragged, Bad]:
    """Give what in_memory gives for images of different shapes."""
    flat, sizes = bytearray(), list[tuple[int, int]]()

    def put(pixels: NDArray[np.uint8], shapes: list[tuple[int, int]]) -> None:
        flat.extend(pixels.data)
        sizes.extend(shapes)

    try:
        outcome = decode_into(put, decoding, progress)
    except MemoryError:
        raise _too_large(f"{len(decoding.indices)} images of different sizes", decoding.num_bytes()) from None
    shapes = torch.tensor(sizes, dtype=torch.int64).reshape(-1, 2)
    pixels = torch.frombuffer(flat, dtype=torch.uint8) if flat else torch.empty(0, dtype=torch.uint8)
    targets, index = decoding.without(outcome.bad)
    counts = outcome.animated, outcome.turned
    return Ragged(pixels, shapes, offsets_of(shapes, channels), channels, targets, index, *counts), outcome.bad


def _empty(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        return np.empty(shape, dtype=np.uint8)
    except MemoryError:
        what = f"{shape[0]} images of {shape[1]}x{shape[2]}x{shape[3]}"
        raise _too_large(what, int(np.prod(shape, dtype=np.float64))) from None


def _too_large(what: str, num_bytes: int) -> OutOfMemoryError:
    return OutOfMemoryError(f"{what} need {num_bytes / 2**30:.1f} GiB of memory", "set a smaller data.size")
