"""A table in records.csv, one row an evaluation or log point, for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from cvrun.folder import RunFolder, write_atomic
from cvrun.logger import Header, Record


@dataclass(frozen=True)
class Config:
    """No keys."""


class Csv:
    """Makes the table anew from all records, since a later record may bring new columns."""

    def __init__(self, folder: RunFolder) -> None:
        """Write to records.csv in folder."""
        self._folder = folder

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
        if not self._folder.records.exists():
            return
        rows = [json.loads(line) for line in self._folder.records.read_text().splitlines()]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        table = csv.DictWriter(text, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_atomic(self._folder.path / "records.csv", text.getvalue().encode())


def build(config: Config, folder: Path) -> Csv:
    """Give the logger of a run's folder."""
    return Csv(RunFolder(folder))
