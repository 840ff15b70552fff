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
        """Drop records of what this process does anew, and a torn last line; then append."""
        kept = [line for line in _lines(self._path) if _belongs(line, header)]
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


def _belongs(line: str, header: Header) -> bool:
    """Whether a line is a whole record that counts; the last record of a finished run is written anew."""
    try:
        record = json.loads(line)
        is_evaluation = any(name.startswith("val/") for name in record)
        last = header.evaluated if is_evaluation else header.step
        return bool(record["step"] <= last) and "best/step" not in record
    except (ValueError, KeyError, TypeError):
        return False
