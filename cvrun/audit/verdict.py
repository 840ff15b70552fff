"""Whether a run may start: the audit of its training and validation images, kept for the next start.

The test images are sealed, and a run looks at none. Where `cvrun data` has found some of them in another part, it says
so in a second file, and that stops the run as well.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvrun.audit import VERSION, kept
from cvrun.audit.examine import Audit, examine
from cvrun.audit.findings import Finding, kinds_of, number, relations, said
from cvrun.audit.likeness import across
from cvrun.data import SPLITS, Manifest
from cvrun.errors import DataError, StorageError
from cvrun.folder import now, write_atomic
from cvrun.pipeline.chunks import Decoding
from cvrun.pipeline.kept import Whole
from cvrun.pipeline.stores import fingerprint as content_of
from cvrun.split import Split
from cvrun.split import _file as split_file

TRAIN, VAL, TEST = SPLITS
LOOKED_AT = (TRAIN, VAL)
"""The parts that a run looks at."""

SAID = ("conflict", "duplicate")
"""Kinds of findings that a run tells; what cannot be read it finds by itself."""

ALIKE_SHARE = 0.01
"""Of the validation images that must be alike a training image before a run tells so: fewer hardly move a score."""

HINT = "`cvrun data ARGUMENTS --exclude FILE` lists what to leave out (data.exclude=FILE); data.accept_leakage=true"


@dataclass(frozen=True)
class Verdict:
    """What an audit means for a run.

    Attributes:
        leak: The images that are in two parts, in one line; empty where there are none.
        warnings: Lines for the user.
        time: When the images were looked at, UTC.
    """

    leak: str
    warnings: tuple[str, ...]
    time: str


def judge(manifest: Manifest, split: Split, workers: int, timeout: float, accepted: bool) -> tuple[str, ...]:
    """Give the warnings of a run that may start; the verdict on the same images and parts is worked out once.

    Args:
        manifest: The data.
        split: Its parts; images of train and val are looked at.
        workers: Threads.
        timeout: [s] After which a thread that has not finished its images is replaced.
        accepted: Whether copies may lie in several parts.

    Raises:
        DataError: If they do and may not.
        OutOfMemoryError: If an image does not fit into memory.
        StorageError: If files are not read in time.
    """
    main, test = _places(manifest, split)
    here = _read(main)
    if here is None:
        audit = examine(manifest, split, LOOKED_AT, workers, timeout)
        here = verdict(audit)
        if not _unread(audit, split, LOOKED_AT):
            _write(main, here)
    leaks = [here.leak] if here.leak else []
    sealed = _read(test)
    if sealed is not None and sealed.leak:
        leaks.append(f"{sealed.leak} (found by `cvrun data` at {sealed.time}; to run it again looks anew)")
    if leaks and not accepted:
        raise DataError(f"data: {'; '.join(leaks)}; expected every picture in one part", f"{HINT} trains all the same")
    return (*(f"data.accept_leakage=true: {leak}" for leak in leaks), *here.warnings)


def keep(audit: Audit, split: Split) -> tuple[str, ...]:
    """Give the warnings of a run with the same images and parts, and keep its verdict unless one could not be read.

    It may be read the next time, and be a copy. What was found all the same in the test part stops runs: that it is
    there is known.

    Args:
        audit: Of train and val, and test where that may be looked at.
        split: The parts of such a run, without what it leaves out as unreadable.
    """
    main, test = _places(audit.manifest, split)
    here = verdict(audit)
    if not _unread(audit, split, LOOKED_AT):
        _write(main, here)
    if TEST in audit.names:
        leak = _leak(audit, ((TRAIN, TEST), (VAL, TEST)))
        if leak or not _unread(audit, split, SPLITS):
            _write(test, Verdict(leak, (), now()))
    return here.warnings


def _unread(audit: Audit, split: Split, names: Iterable[str]) -> bool:
    """Whether an image of some parts of a split could not be read."""
    bad = audit.positions[audit.notes["reason"] != b""]
    return any(bool(np.isin(bad, split.parts()[name]).any()) for name in names)


def verdict(audit: Audit) -> Verdict:
    """Give what an audit of train and val means for a run; what it knows of the test images does not count."""
    told = [one for one in relations(audit, LOOKED_AT, True) if one.kind in SAID or _matters(audit, one)]
    lines = tuple(f"data: {one.what}, such as {one.examples[0]}" for one in told)
    return Verdict(_leak(audit, ((TRAIN, VAL),)), lines, now())


def _matters(audit: Audit, one: Finding) -> bool:
    """Whether a finding is that many validation images are alike training images."""
    train, val = (audit.names.index(name) for name in LOOKED_AT)
    rows = audit.rows(val)
    count = np.count_nonzero(audit.like.alike.partner[rows, train] >= 0)
    return one.kind == "alike across" and bool(count >= ALIKE_SHARE * len(rows))


def _leak(audit: Audit, parts: Iterable[tuple[str, str]]) -> str:
    """Give the leaks between pairs of parts in one line; empty where there are none."""
    found = [(a, b, across(audit.like, audit.names.index(a), audit.names.index(b))) for a, b in parts]
    found = [entry for entry in found if entry[2]]
    counts = [f"{number(len(pairs), 'image')} of {a} in {b} as well ({kinds_of(pairs)})" for a, b, pairs in found]
    return f"{', '.join(counts)}, such as {said(audit, found[0][2][0])}" if found else ""


def _places(manifest: Manifest, split: Split) -> tuple[Path, Path]:
    """Give the files of both verdicts, which follow from the split and from the training and validation images."""
    used = np.concatenate([split.train, split.val])
    names = split_file.fingerprint(split_file.names_of(manifest, split))
    images = content_of(Decoding("", manifest, used, Whole(manifest.form), 0, 1))
    digest = hashlib.sha256(f"{VERSION} {names} {images} {manifest.classes} {manifest.named}".encode())
    digest.update(manifest.labels[used].tobytes())
    name = digest.hexdigest()[:32]
    return kept.folder() / f"{name}.json", kept.folder() / f"{name}.test.json"


def _read(path: Path) -> Verdict | None:
    """Give the verdict in a file, or None where there is none that can be read."""
    try:
        found = json.loads(path.read_text())
        leak, lines, time = found["leak"], found["warnings"], found["time"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(lines, list) or not all(isinstance(text, str) for text in (leak, time, *lines)):
        return None
    return Verdict(leak, tuple(lines), time)


def _write(path: Path, found: Verdict) -> None:
    # Without it the next start takes longer.
    with contextlib.suppress(StorageError):
        write_atomic(path, json.dumps(dataclasses.asdict(found)).encode())
