"""Text in the cells of a CSV file, such that no spreadsheet takes it for a formula."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

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
