"""What is noted of every image of a data set, in parallel, each file read once and not again while it is the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cvrun.audit import kept
from cvrun.audit.look import NOTE, Note, look, look_at_pixels
from cvrun.data import Manifest
from cvrun.errors import OutOfMemoryError
from cvrun.pipeline.chunks import CHUNK, Decoding, are_small, not_read
from cvrun.pipeline.kept import Whole, source_of
from cvrun.pipeline.workers import GivenUpError, in_order


def gather(
    manifest: Manifest,
    positions: NDArray[np.int64],
    workers: int,
    timeout: float,
    progress: Callable[[int], object] = lambda count: None,
) -> Note:
    """Give what is noted of images, NOTE (N,), in the order of positions; nothing else is opened.

    Args:
        manifest: What positions refer to.
        positions: int64 (N,), each once.
        workers: Threads.
        timeout: [s] After which a thread that has not finished its images is replaced.
        progress: Told how many images are done since the last call.

    Raises:
        OutOfMemoryError: If an image does not fit into memory.
        StorageError: If files are not read in time.
    """
    place = kept.place(manifest)
    before = kept.read(place)
    wanted = kept.keys(manifest, positions)
    order = np.argsort(before["key"], kind="stable")
    found = np.searchsorted(before["key"], wanted, sorter=order)
    found = order[np.minimum(found, len(order) - 1)] if len(order) else np.zeros(len(wanted), np.int64)
    known = before["key"][found] == wanted if len(before) else np.zeros(len(wanted), np.bool_)
    notes = np.zeros(len(positions), NOTE)
    notes[known] = before[found[known]]
    missing = np.flatnonzero(~known)
    progress(int(known.sum()))
    if len(missing):
        notes[missing] = _looked_at(manifest, positions[missing], workers, timeout, progress)
        notes["key"] = wanted
        kept.write(place, before, notes)
    return notes


def _looked_at(
    manifest: Manifest, positions: NDArray[np.int64], workers: int, timeout: float, progress: Callable[[int], object]
) -> Note:
    decoding = Decoding("audited", manifest, positions, Whole(manifest.form), workers, timeout)
    workers = min(workers, 1) if are_small(decoding) else workers
    starts = range(0, len(positions), CHUNK)
    at: dict[int, int] = {}

    def chunk(start: int) -> Note:
        notes = np.zeros(len(positions[start : start + CHUNK]), NOTE)
        for row, position in enumerate(positions[start : start + CHUNK].tolist()):
            at[start] = start + row
            try:
                notes[row] = _note(manifest, position)
            except MemoryError as error:
                message = f"{manifest.where(position)}: not enough memory to decode it"
                raise OutOfMemoryError(message, "set fewer workers") from error
        return notes

    found = []
    try:
        for notes in in_order(chunk, starts, workers, timeout):
            found.append(notes)
            progress(len(notes))
    except GivenUpError as error:
        start = starts[error.chunk]
        raise not_read(decoding, at.get(start, start), str(error)) from error
    return np.concatenate(found)


def _note(manifest: Manifest, position: int) -> Note:
    form = manifest.form
    if manifest.images is not None:
        return look_at_pixels(manifest.images[position], form.channels, form.value_range)
    return look(source_of(manifest, position), form.channels, form.value_range)
