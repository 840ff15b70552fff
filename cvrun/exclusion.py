"""Images that the user leaves out of every part, each with a reason: the file that data.exclude names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cvrun.cells import plain_text, read_table
from cvrun.data import Manifest
from cvrun.data._hashed import behind
from cvrun.split import Indices, Split

KEY = "data.exclude"


def exclusions(manifest: Manifest, file: str | None) -> dict[int, str]:
    """Give position -> reason of the images that a file names, in its order; nothing without a file.

    The file is CSV with the columns path (an id of the source) and reason; further columns are not read.

    Raises:
        DataError: If it cannot be read, lacks a column or a reason, or names an image twice or one that the source
            does not have.
    """
    if file is None:
        return {}
    table = read_table(Path(file), f"the table of {KEY}")
    path_column, reason_column = table.find("path", "id"), table.find("reason")
    positions = {name: i for i, name in enumerate(manifest.ids)}
    # What a run whose names are hidden has found stands in hashes.
    hidden = behind((plain_text(row[path_column]) for _, row in table.rows), manifest.ids)
    positions |= {text: positions[name] for text, name in hidden.items()}
    found: dict[int, str] = {}
    rows: dict[int, int] = {}
    wrong: list[tuple[int, str]] = []
    for number, row in table.rows:
        cell, reason = row[path_column], plain_text(row[reason_column]).strip()
        position = next((positions[n] for n in (plain_text(cell), plain_text(cell.strip())) if n in positions), None)
        if position is None:
            wrong.append((number, f"'{cell}' is no image of the source, expected an id such as '{manifest.ids[0]}'"))
        elif position in found:
            wrong.append((number, f"'{cell}' stands in row {rows[position]} as well, expected each image once"))
        elif not reason:
            wrong.append((number, f"'{cell}' has no reason, expected why it is left out"))
        if position is not None:
            found.setdefault(position, reason)
            rows.setdefault(position, number)
    if wrong:
        error = table.error(wrong)
        error.names = tuple(row[path_column] for _, row in table.rows)
        raise error
    return found


def without(split: Split, positions: Indices) -> Split:
    """Give split with positions in none of its parts."""
    left = {name: rows[~np.isin(rows, positions)] for name, rows in split.parts().items()}
    return Split(**left, out=np.union1d(split.out, positions).astype(np.int64))
