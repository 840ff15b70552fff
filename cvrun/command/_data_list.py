"""data.csv: which images a run was started with, so that it can be said what changed since.

The training and validation images with part, label, group and content: the length of a file in bytes and,
where the data names it, the beginning of its sha256; of an embedded image that alone; and the weight, if it has one.
Of the test images the names alone, since a split that is cut anew moves them.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cvrun.cells import text_cell, write_row
from cvrun.data import Manifest
from cvrun.errors import CheckpointError
from cvrun.folder import write_atomic
from cvrun.plan import DataFacts
from cvrun.prepare import Prepared

Row = tuple[str, str, str, str]
"""Part, label, group and content of an image; but for the part, nothing of a test image."""

_HEADER = ("id", "part", "label", "group", "content")
_TEST: Row = ("test", "", "", "")


def write(path: Path, prepared: Prepared) -> None:
    """Write the list of a run that starts.

    Raises:
        StorageError: If it cannot be written.
    """
    text = io.StringIO()
    write_row(text, _HEADER)
    for name, row in _rows(prepared).items():
        write_row(text, [name, *row])
    write_atomic(path, text.getvalue().encode(errors="surrogateescape"))


def require_same(prepared: Prepared, earlier: Mapping[str, Any]) -> None:
    """See that a run which goes on has the data and the split that it was started with.

    Args:
        prepared: The data of now.
        earlier: The plan of the start, as plan.yaml holds it.

    Raises:
        CheckpointError: If it has not; says what was added, removed and changed, with the first name of each.
    """
    folder, data, before = prepared.plan.folder, prepared.plan.data, earlier["data"]
    for name, what in (("data_fingerprint", "data"), ("split_fingerprint", "split")):
        if before[name] != getattr(data, name):
            found = difference(folder.data, prepared) or _in_short(before, data)
            message = f"{folder.path}: the {what} changed since this run was started: {found}"
            raise CheckpointError(message, "rerun=true starts afresh and keeps this run aside")


def difference(path: Path, prepared: Prepared) -> str:
    """Give in words what differs from the list at path; nothing where there is no such list, or no difference."""
    before = _read(path)
    if before is None:
        return ""
    here = _rows(prepared)
    added = [name for name in here if name not in before]
    removed = [name for name in before if name not in here]
    both = [(name, before[name], row) for name, row in here.items() if name in before]
    moved = [f"{name}: {old[0]} -> {new[0]}" for name, old, new in both if old[0] != new[0]]
    known = [(name, old, new) for name, old, new in both if _TEST not in (old, new)]
    changed = [f"{name}: {what}" for name, old, new in known if (what := _what(old, new))]
    kinds = (("added", added), ("removed", removed), ("changed", changed), ("in another part", moved))
    return ", ".join(f"{len(found):,} {kind} ({found[0]})" for kind, found in kinds if found)


def _in_short(before: Mapping[str, Any], data: DataFacts) -> str:
    """Give what plan.yaml knows: the images of each part, and the classes where they differ."""
    then = {part: sum(counts) for part, counts in before["counts"].items()}
    here = {part: sum(counts) for part, counts in data.counts.items()}
    images = f"images then {then}, now {here}"
    classes = before.get("classes")
    return images if classes == list(data.classes) else f"{images}; classes then {classes}, now {list(data.classes)}"


def _rows(prepared: Prepared) -> dict[str, Row]:
    """Give the row of each image by its name, as cells, so that what is read back can be compared."""
    manifest, split = prepared.manifest, prepared.split
    names = [text_cell(name) for name in manifest.ids]
    classes = [text_cell(name) for name in manifest.classes]
    rows = {names[i]: _TEST for i in split.test.tolist()}
    for part, indices in (("train", split.train), ("val", split.val)):
        for i in indices.tolist():
            group = text_cell(manifest.groups[i]) if manifest.groups is not None else ""
            rows[names[i]] = (part, classes[int(manifest.labels[i])], group, _content(manifest, i))
    return rows


def _content(manifest: Manifest, i: int) -> str:
    if manifest.images is not None:
        facts = [hashlib.sha256(np.ascontiguousarray(manifest.images[i]).tobytes()).hexdigest()[:12]]
    else:
        facts = [str(manifest.num_bytes(i))]
    if manifest.hashes is not None:
        facts.append(manifest.hashes[i][:12])
    if manifest.weights is not None:
        facts.append(f"weight {float(manifest.weights[i])!r}")
    return " ".join(facts)


def _what(old: Sequence[str], new: Sequence[str]) -> str:
    pairs = zip(_HEADER[2:], old[1:], new[1:], strict=True)
    return ", ".join(f"{name} {a} -> {b}" for name, a, b in pairs if a != b)


def _read(path: Path) -> dict[str, Row] | None:
    """Give the list, or None where there is none that can be read."""
    try:
        lines = list(csv.reader(io.StringIO(path.read_bytes().decode(errors="surrogateescape")), strict=True))
    except (OSError, csv.Error):
        return None
    if not lines or tuple(lines[0]) != _HEADER or any(len(line) != len(_HEADER) for line in lines):
        return None
    return {name: (part, label, group, content) for name, part, label, group, content in lines[1:]}
