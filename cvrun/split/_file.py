"""A split as a file: which image lies in which part, with a hash of that in its first line.

    # cvrun split sha256=<64 hex digits>
    id,part
    cat/001.png,train

A part is train, val, test or none: listed by the source, and meant to be in no part. The hash is the fingerprint of the
split, which plan.yaml and checkpoints hold as well; it is worked out from the rows alone.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cvrun.cells import Table, plain_text, read_table, text_cell, write_row
from cvrun.data import SPLIT_NAMES, SPLITS, Manifest
from cvrun.errors import DataError
from cvrun.split import Split

NONE = "none"
_FIRST = re.compile(r"# cvrun split sha256=([0-9a-f]{64})")
_BARE = re.compile(r"[\w./-]+")
"""A cell that needs no quotes; a million of them are written in a fraction of the time that csv takes."""
_ID = ("id", "path")


def fingerprint(parts: Mapping[str, Sequence[str]]) -> str:
    """Give the sha256 (hex) of a split: the ids of each part, in the order of the manifest."""
    return hashlib.sha256(repr([(part, list(parts[part])) for part in SPLITS]).encode()).hexdigest()


def names_of(manifest: Manifest, split: Split) -> dict[str, list[str]]:
    """Give the ids of each part."""
    return {part: [manifest.ids[i] for i in rows.tolist()] for part, rows in split.parts().items()}


def content(manifest: Manifest, split: Split) -> bytes:
    """Give the file of a split, a row an image in the order of the manifest; a spreadsheet runs nothing in it."""
    places = {i: part for part, rows in split.parts().items() for i in rows.tolist()}
    text = io.StringIO()
    text.write(f"# cvrun split sha256={fingerprint(names_of(manifest, split))}\n")
    write_row(text, ["id", "part"])
    for i, name in enumerate(manifest.ids):
        cell, part = text_cell(name), places.get(i, NONE)
        if _BARE.fullmatch(cell):
            text.write(f"{cell},{part}\n")
        else:
            write_row(text, [cell, part])
    return text.getvalue().encode(errors="surrogateescape")


def read(path: Path) -> dict[str, str]:
    """Give id -> train, val, test or none, in the order of the file.

    The first line may be missing, and a column named path may stand for id: then the file was made by hand.

    Raises:
        DataError: If it cannot be read, a row is wrong, an id stands twice, or it does not have the hash that its first
            line names.
    """
    table = read_table(path, "a split file")
    column = table.find(*_ID)
    part_column = table.find("part")
    found: dict[str, str] = {}
    wrong: list[tuple[int, str]] = []
    for number, row in table.rows:
        name, part = plain_text(row[column]), row[part_column].strip().lower()
        part = SPLIT_NAMES.get(part, part)
        if part not in (*SPLITS, NONE):
            wrong.append((number, f"part '{row[part_column]}', expected one of {', '.join((*SPLITS, NONE))}"))
        elif name in found:
            wrong.append((number, f"'{name}' stands twice, expected each image once"))
        found.setdefault(name, part)
    if wrong:
        raise table.error(wrong)
    _check_hash(table, found)
    return found


def _check_hash(table: Table, found: Mapping[str, str]) -> None:
    """See that the rows are those that the first line was written for, where there is one."""
    if not table.comment:
        return
    match = _FIRST.fullmatch(table.comment.strip())
    if match is None:
        raise DataError(f"{table.path} row 1: '{table.comment[:80]}', expected # cvrun split sha256=<64 hex digits>")
    here = fingerprint({part: [name for name, own in found.items() if own == part] for part in SPLITS})
    if here != match[1]:
        raise DataError(
            f"{table.path}: its rows have the hash {here[:12]}, its first line says {match[1][:12]}, expected the same:"
            " it was edited",
            "take the file that the run wrote, or remove the first line if the change is meant",
        )
