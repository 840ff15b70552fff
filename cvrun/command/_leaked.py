"""The images of a test set that the model has been trained or chosen on: the same files, and copies of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cvrun.command._content_hash import content_hashes
from cvrun.command._measured import Images, Ready
from cvrun.data import Manifest
from cvrun.errors import DataError

SEEN = ("train", "val")
NAMED = 3
"""[pairs] that a message names; it counts the others."""


@dataclass(frozen=True)
class Leaked:
    """What was found.

    Attributes:
        total: Images of the test set.
        identical: Test image -> the pair in words, where train or val has the same bytes or the same pixels.
        copied: The same of those that train or val has with small changes.
        accepted: What lets it be opened all the same; empty: nothing does.
    """

    total: int
    identical: dict[int, str]
    copied: dict[int, str]
    accepted: str

    @property
    def count(self) -> int:
        """Give the number of test images that are elsewhere as well."""
        return len(self.identical) + len(self.copied)

    def said(self) -> str:
        """Give it in one line; nothing where there are none."""
        if self.count == 0:
            return ""
        kinds = ((self.identical, "identical"), (self.copied, "copied with small changes"))
        counts = ", ".join(f"{len(found):,} {word}" for found, word in kinds if found)
        verb = "is" if self.count == 1 else "are"
        return f"{self.count:,} of {self.total:,} test images {verb} in train or val as well ({counts})"

    def require_accepted(self, name: str | None) -> None:
        """See that there are none, or that they are accepted.

        Args:
            name: Of a test set from elsewhere.

        Raises:
            DataError: If neither is so.
        """
        if self.count and not self.accepted:
            pairs = [*self.identical.values(), *self.copied.values()]
            what = f"{f'--external {name}' if name else 'split'}: {self.said()}, such as {', '.join(pairs[:NAMED])}"
            rule = "expected a test set of which the model has seen no image"
            mend = "" if name else "`cvrun data ARGUMENTS --exclude FILE` lists what training should leave out; "
            raise DataError(f"{what}; {rule}", f"{mend}--accept-leakage opens it all the same, and the ledger keeps it")


def leaked(run: Ready, images: Images, hashes: Sequence[str], external: bool, accept: bool) -> Leaked:
    """Compare a test set with the images of training and validation.

    Bytes are compared always; pictures, as an audit does, where the set is the run's own part and `audit` is not false.

    Args:
        run: The model, and its data.
        images: The test set.
        hashes: Of the content of each of its images.
        external: Whether it comes from elsewhere.
        accept: Whether the command line accepts what is found.

    Raises:
        DataError: If an image cannot be read.
        OutOfMemoryError: If an image does not fit into memory.
        StorageError: If files are not read in time.
    """
    spec = run.prepared.plan.spec
    accepted = "--accept-leakage" if accept else "data.accept_leakage=true" if spec.data.accept_leakage else ""
    found = Leaked(len(images.rows), _same_bytes(run, images, hashes), {}, accepted)
    if external or not spec.settings.audit:
        return found
    return _with_copies(run, images, found)


def _same_bytes(run: Ready, images: Images, hashes: Sequence[str]) -> dict[int, str]:
    """Give the test images whose content one of train or val has, each with it in words."""
    manifest, split = run.prepared.manifest, run.prepared.split
    sizes = set(_sizes(images.manifest, images.rows))
    places: dict[str, str] = {}
    for part in SEEN:
        rows = split.parts()[part]
        # What has another size is another file, and need not be read.
        same = [size is None or None in sizes or size in sizes for size in _sizes(manifest, rows)]
        near = rows[np.array(same, np.bool_)]
        found = content_hashes(manifest, near, run.prepared.plan.spec.settings)
        for position, digest in zip(near.tolist(), found, strict=True):
            places.setdefault(digest, f"{manifest.ids[position]} ({part})")
    return {
        row: f"{images.manifest.ids[row]} (test) = {places[digest]}"
        for row, digest in zip(images.rows.tolist(), hashes, strict=True)
        if digest in places
    }


def _sizes(manifest: Manifest, rows: NDArray[np.int64]) -> Iterator[int | None]:
    """Give the size of each file [bytes]; None where it is not known."""
    for row in rows.tolist():
        try:
            yield os.stat(manifest.paths[row]).st_size if manifest.paths is not None else None
        except OSError:
            yield None


def _with_copies(run: Ready, images: Images, found: Leaked) -> Leaked:
    """Add the pictures that an audit finds in the test part and in another one."""
    from cvrun.audit.examine import examine
    from cvrun.audit.findings import said
    from cvrun.audit.likeness import IDENTICAL, across

    settings, split = run.prepared.plan.spec.settings, run.prepared.split
    names = [name for name in (*SEEN, images.part) if len(split.parts()[name])]
    audit = examine(images.manifest, split, names, settings.num_workers, settings.worker_timeout)
    identical, copied = dict(found.identical), dict(found.copied)
    for other in range(len(names) - 1):
        for pair in across(audit.like, len(names) - 1, other):
            row = int(audit.positions[pair.row])
            if pair.likeness == IDENTICAL:
                identical.setdefault(row, said(audit, pair))
            else:
                copied.setdefault(row, said(audit, pair))
    return replace(found, identical=identical, copied={row: copied[row] for row in copied if row not in identical})
