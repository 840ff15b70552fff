"""One JSON object a line in records.jsonl: the truth that resume, runs and reports read; always on."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cvrun.folder import RunFolder, finite, storage_errors, write_atomic
from cvrun.logger import Header, Record


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
        """Drop what lies beyond the step at which this process starts, and a torn last line; then append."""
        kept = [line for line in _lines(self._path) if _belongs(line, header.step)]
        write_atomic(self._path, "".join(f"{line}\n" for line in kept).encode())
        with storage_errors(self._path):
            self._file = self._path.open("a")

    def advance(self, step: int) -> None:
        """Do nothing."""

    def write(self, record: Record) -> None:
        """Append record."""
        if self._file is not None:
            with storage_errors(self._path):
                self._file.write(json.dumps(finite(dict(record))) + "\n")
                self._file.flush()

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


def _lines(path: Path) -> list[str]:
    return path.read_text().split("\n") if path.exists() else []


def _belongs(line: str, step: int) -> bool:
    """Whether a line is a whole record at or before step; the last record of a finished run is written anew."""
    try:
        record = json.loads(line)
        return bool(record["step"] <= step) and "best/step" not in record
    except (ValueError, KeyError, TypeError):
        return False
