"""One JSON object a line in records.jsonl: the truth that resume, runs and reports read; always on."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cvrun import fault
from cvrun.folder import RunFolder, finite, storage_errors, write_atomic
from cvrun.logger import Header, Record
from cvrun.logger._records import read_records, stays


@dataclass(frozen=True)
class Config:
    """No keys."""


class Jsonl:
    """Appends records; NaN becomes null."""

    def __init__(self, path: Path) -> None:
        """Write to path."""
        self._path = path
        self._file: IO[str] | None = None

    def open(self, header: Header) -> None:
        """Drop records of what this process does anew, and a torn last line; then append."""
        kept = [json.dumps(record) + "\n" for record in read_records(self._path) if stays(record, header)]
        write_atomic(self._path, "".join(kept).encode())
        with storage_errors(self._path):
            self._file = self._path.open("a")

    def advance(self, step: int) -> None:
        """Do nothing."""

    def write(self, record: Record) -> None:
        """Append record."""
        if self._file is not None:
            with storage_errors(self._path):
                fault.point("record.write")
                self._file.write(json.dumps(finite(dict(record))) + "\n")
                self._file.flush()
            fault.point("record.written")

    def sync(self) -> None:
        """Make every record so far durable, also if the power fails now."""
        if self._file is not None:
            with storage_errors(self._path):
                os.fsync(self._file.fileno())

    def say(self, text: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            # Every line was flushed when it was written; what could not be has raised there.
            with contextlib.suppress(OSError):
                self._file.close()


def build(config: Config, folder: Path) -> Jsonl:
    """Give the logger of a run's folder."""
    return Jsonl(RunFolder(folder).records)
