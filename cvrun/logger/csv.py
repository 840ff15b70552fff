"""A table in records.csv, one row an evaluation or log point, for spreadsheets."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from cvrun.cells import text_cell, write_row
from cvrun.folder import RunFolder, write_atomic
from cvrun.logger import Header, Record
from cvrun.logger._records import read_records


@dataclass(frozen=True)
class Config:
    """No keys."""


class Csv:
    """Makes the table anew from all records, since a later record may bring new columns."""

    def __init__(self, folder: RunFolder) -> None:
        """Write to records.csv in folder."""
        self._folder = folder
        self._size = -1

    def open(self, header: Header) -> None:
        """Do nothing: the table follows the records."""

    def advance(self, step: int) -> None:
        """Do nothing."""

    def write(self, record: Record) -> None:
        """Write the table where record is an evaluation; log points follow with the next one."""
        if any(name.startswith(("val/", "best/")) for name in record):
            self._write()

    def say(self, text: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Write the table a last time."""
        self._write()

    def _write(self) -> None:
        """Write the table, unless it holds everything: several records may have come since the last call."""
        source = self._folder.records
        size = source.stat().st_size if source.exists() else self._size
        if size == self._size:
            return
        rows = read_records(source)
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        write_row(text, [text_cell(name) for name in columns])
        for row in rows:
            write_row(text, [_cell(row.get(name)) for name in columns])
        write_atomic(self._folder.path / "records.csv", text.getvalue().encode())
        self._size = size


def _cell(value: object) -> str:
    return text_cell(value) if isinstance(value, str) else "" if value is None else str(value)


def build(config: Config, folder: Path) -> Csv:
    """Give the logger of a run's folder."""
    return Csv(RunFolder(folder))
