"""Links that bring one file into two parts of a split, under two names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvrun.data import Manifest
from cvrun.errors import DataError

Files = tuple[Sequence[str], Sequence[Path]]
"""Names of images, and their files."""


def files_of(manifest: Manifest, rows: NDArray[np.int64]) -> Files:
    """Give the names and the files of the images at rows; no file where they lie elsewhere."""
    if manifest.paths is None:
        return (), ()
    where = rows.tolist()
    return [manifest.ids[i] for i in where], [manifest.paths[i] for i in where]


def require_apart(parts: Mapping[str, Files]) -> None:
    """See that no file lies in two parts; the folders' entries of all files are read, and no content.

    Args:
        parts: What is compared, by the name of the part.

    Raises:
        DataError: If links bring one file into two of them.
    """
    names = [name for ids, _ in parts.values() for name in ids]
    part = np.repeat(np.arange(len(parts)), [len(ids) for ids, _ in parts.values()])
    files = np.array([_file(path) for _, paths in parts.values() for path in paths], dtype=np.uint64).reshape(-1, 2)
    # The sort is stable: the names of one file are together, in the order of the parts.
    order = np.lexsort(files.T)
    part, files = part[order], files[order]
    same = (files[1:] == files[:-1]).all(axis=1) & (files[1:, 1] > 0)
    apart = np.flatnonzero(same & (part[1:] != part[:-1]))
    if len(apart):
        k = apart[0]
        first, second = (f"'{names[order[i]]}' in {list(parts)[part[i]]}" for i in (k, k + 1))
        raise DataError(
            f"split: {first} and {second} are one file ({len(apart)} such), expected every file in one part",
            "take the link out",
        )


def _file(path: Path) -> tuple[int, int]:
    """Give what a file is whatever its name; zeros where it is not there, which is found when it is needed."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino
