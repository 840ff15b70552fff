"""An audit of the parts of a split: every image looked at, and compared with every other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvrun.audit.gather import gather
from cvrun.audit.likeness import Likeness, likeness
from cvrun.audit.look import Note
from cvrun.data import Manifest
from cvrun.images import progress
from cvrun.split import Split


@dataclass(frozen=True)
class Audit:
    """What is known of the images of some parts.

    Attributes:
        manifest: All images of the source.
        split: In which part each of them lies.
        names: The parts that were looked at; a part's number is its place here.
        positions: Position of each row in the manifest, int64 (N,), part by part.
        notes: What is noted of each row, NOTE (N,).
        like: Who is like whom, as rows.
    """

    manifest: Manifest
    split: Split
    names: tuple[str, ...]
    positions: NDArray[np.int64]
    notes: Note
    like: Likeness

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class of each row, int64 (N,)."""
        return self.manifest.labels[self.positions]

    def rows(self, part: int) -> NDArray[np.int64]:
        """Give the rows of a part, int64 (n,)."""
        return np.flatnonzero(self.like.parts == part)

    def name(self, row: int) -> str:
        """Give the id of a row's image."""
        return self.manifest.ids[int(self.positions[row])]

    def label(self, row: int) -> str:
        """Give the class of a row's image."""
        return self.manifest.classes[int(self.manifest.labels[self.positions[row]])]

    def part(self, row: int) -> str:
        """Give the part of a row's image."""
        return self.names[int(self.like.parts[row])]


def examine(manifest: Manifest, split: Split, names: Sequence[str], workers: int, timeout: float) -> Audit:
    """Look at the images of some parts, and at no others; shows how far that is where it takes long.

    Args:
        manifest: The data.
        split: Its parts.
        names: Those to look at.
        workers: Threads.
        timeout: [s] After which a thread that has not finished its images is replaced.

    Raises:
        OutOfMemoryError: If an image does not fit into memory.
        StorageError: If files are not read in time.
    """
    each = [split.parts()[name] for name in names]
    positions = np.concatenate(each).astype(np.int64)
    parts = np.repeat(np.arange(len(names)), [len(part) for part in each])
    with progress("audit", len(positions)) as bar:
        notes = gather(manifest, positions, workers, timeout, bar.update)
    return Audit(
        manifest=manifest,
        split=split,
        names=tuple(names),
        positions=positions,
        notes=notes,
        like=likeness(notes, manifest.labels[positions], parts, len(names)),
    )
