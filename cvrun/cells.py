"""Small CSV files: cells that no spreadsheet takes for a formula, and the way back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from cvrun.errors import DataError, did_you_mean, printable

LISTED = 5
"""[rows] that a message names; it counts the others."""

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What OWASP lists as the beginning of a formula; the last four are the wide forms of the first."""

_ENDS = ("\r", ";", "\t")
"""What may end a cell for a program that expects another separator; csv does not quote these by itself."""


def text_cell(text: str) -> str:
    """Give text with a quote in front where a spreadsheet would run it; two texts never become the same."""
    return f"'{text}" if text.lstrip("'").startswith(_STARTS) else text


def path_cell(path: Path) -> str:
    """Give a path that programs can open as it stands: "./" goes in front where a spreadsheet would run it."""
    return f"./{path}" if str(path).startswith(_STARTS) else str(path)


def write_row(file: TextIO, cells: Sequence[str]) -> None:
    """Write a row, quoted where a cell needs it; cells are what text_cell and path_cell give, or numbers."""
    unsafe = any(end in cell for cell in cells for end in _ENDS)
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL if unsafe else csv.QUOTE_MINIMAL).writerow(cells)


def reasons_table(reasons: Iterable[tuple[str, str]]) -> bytes:
    """Give the content of a CSV file of images and why each is left out, as data.exclude reads it."""
    text = io.StringIO()
    write_row(text, ["path", "reason"])
    for name, reason in reasons:
        write_row(text, [text_cell(name), text_cell(printable(reason))])
    return text.getvalue().encode(errors="surrogateescape")


def plain_text(cell: str) -> str:
    """Give the text of which text_cell made a cell."""
    return cell[1:] if cell.startswith("'") and cell[1:].lstrip("'").startswith(_STARTS) else cell


@dataclass(frozen=True)
class Table:
    """A small table that a user or a run wrote.

    Attributes:
        path: Where it lies.
        comment: The first line, where it starts with "#"; empty without one.
        header: Names of the columns.
        rows: Number of each row in the file, from 1, and its cells, as many as there are columns.
    """

    path: Path
    comment: str
    header: list[str]
    rows: list[tuple[int, list[str]]]

    def find(self, *names: str) -> int:
        """Give the position of the column that has one of names.

        Raises:
            DataError: If there is none, or more than one.
        """
        found = [position for position, name in enumerate(self.header) if name in names]
        if len(found) == 1:
            return found[0]
        fact = "stands twice" if found else "is missing"
        have = ", ".join(self.header) or "nothing"
        message = f"{self.path} row {2 if self.comment else 1}: column '{names[0]}' {fact}, expected it among: {have}"
        raise DataError(message, did_you_mean(names[0], self.header))

    def error(self, wrong: Sequence[tuple[int, str]]) -> DataError:
        """Give the one error for all rows that are wrong.

        Args:
            wrong: Number of each, and what is wrong with it and expected.
        """
        numbers = list(dict.fromkeys(number for number, _ in wrong))
        listed = ", ".join(map(str, numbers[:LISTED])) + (", ..." if len(numbers) > LISTED else "")
        more = f"{len(numbers):,} rows are wrong: {listed}" if len(numbers) > 1 else ""
        return DataError(f"{self.path} row {wrong[0][0]}: {wrong[0][1]}", more)


def read_table(path: Path, what: str) -> Table:
    """Give a comma-separated UTF-8 table with a header; "~" is the home folder, empty lines are left out.

    Args:
        path: The file.
        what: Such as "a split file", for the message.

    Raises:
        DataError: If it cannot be read, or a row has another number of cells than the header.
    """
    try:
        text = path.expanduser().read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except (OSError, RuntimeError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DataError(f"{path}: cannot be read ({reason}), expected {what}") from error
    comment, _, rest = text.partition("\n") if text.startswith("#") else ("", "", text)
    first = 2 if comment else 1
    try:
        lines = list(enumerate(csv.reader(io.StringIO(rest, newline=""), strict=True), first))
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file ({error}), expected {what}") from error
    rows = [(number, row) for number, row in lines if row]
    if not rows:
        raise DataError(f"{path}: it is empty, expected {what}")
    table = Table(path, comment.rstrip("\r"), [name.strip() for name in rows[0][1]], rows[1:])
    width = len(table.header)
    if wrong := [(n, f"{len(row)} cells, expected {width}") for n, row in table.rows if len(row) != width]:
        raise table.error(wrong)
    return table
