"""Predictions as CSV, JSON lines, one JSON document or Parquet, written as they come."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cvrun.cells import path_cell, text_cell, write_row
from cvrun.command._predicted import Row
from cvrun.errors import ConfigError
from cvrun.metric import THRESHOLD

SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".parquet": "parquet"}
FORMATS = ("csv", "jsonl", "json", "parquet")


class Sink(Protocol):
    """Where bytes go."""

    def write(self, content: bytes, /) -> object:
        """Take bytes."""


@dataclass(frozen=True)
class Wanted:
    """What a row holds beside path, label and score.

    Attributes:
        classes: Names, in order.
        top: How many of the most probable classes have columns of their own, 0: none.
        probabilities: Whether every class has a column.
        separator: Between labels, where an image has any number; "": one.
    """

    classes: tuple[str, ...]
    top: int
    probabilities: bool
    separator: str = ""


class Format(Protocol):
    """A way of writing rows; nothing of them is kept."""

    def start(self) -> None:
        """Write what stands before the first row."""

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows."""

    def end(self) -> None:
        """Write what stands behind the last row."""


def writer(name: str, wanted: Wanted, sink: Sink) -> Format:
    """Give the format of a name, one of FORMATS, that writes to sink.

    Raises:
        ConfigError: If a package that it needs is not installed.
    """
    if name == "csv":
        return Csv(wanted, sink)
    return Parquet(wanted, sink) if name == "parquet" else Json(wanted, sink, lines=name == "jsonl")


class Csv:
    """A header and a row an image; labels and paths that no spreadsheet takes for formulas."""

    def __init__(self, wanted: Wanted, sink: Sink) -> None:
        """Keep what is wanted, and where it goes."""
        self.wanted, self.sink = wanted, sink
        self.labels = [text_cell(name) for name in wanted.classes]

    def start(self) -> None:
        """Write the header."""
        self._write([_columns(self.wanted, self.labels)])

    def add(self, rows: Sequence[Row]) -> None:
        """Write the rows of images that could be used."""
        self._write([self._cells(row, row.probabilities) for row in rows if row.probabilities is not None])

    def end(self) -> None:
        """Write nothing."""

    def _cells(self, row: Row, probabilities: NDArray[np.float32]) -> list[str]:
        # str of a numpy float32 is the shortest text that reads back as the same number.
        numbers = [str(value) for value in probabilities]
        if self.wanted.separator:
            cells = [path_cell(row.path), text_cell(_joined(self.wanted, probabilities))]
        else:
            cells = [path_cell(row.path), _label(row, self.labels) or "", str(_score(row, probabilities))]
        for best in _top(probabilities, self.wanted.top):
            cells += [self.labels[best], numbers[best]]
        return cells + numbers * self.wanted.probabilities

    def _write(self, rows: Sequence[Sequence[str]]) -> None:
        text = io.StringIO()
        for cells in rows:
            write_row(text, cells)
        # A file name that is no UTF-8 is written with the bytes that it has.
        self.sink.write(text.getvalue().encode(errors="surrogateescape"))


class Json:
    """An object an image: one a line, or all in one list; names as they are."""

    def __init__(self, wanted: Wanted, sink: Sink, lines: bool) -> None:
        """Keep what is wanted, where it goes, and whether each line stands for itself."""
        self.wanted, self.sink, self.lines = wanted, sink, lines
        self.between = b""

    def start(self) -> None:
        """Open the list."""
        if not self.lines:
            self.sink.write(b"[")

    def add(self, rows: Sequence[Row]) -> None:
        """Write the rows, also those of files that cannot be used, with the reason."""
        for row in rows:
            text = json.dumps(self._content(row)).encode()
            self.sink.write(text + b"\n" if self.lines else self.between + b"\n" + text)
            self.between = b","

    def end(self) -> None:
        """Close the list."""
        if not self.lines:
            self.sink.write(b"\n]\n")

    def _content(self, row: Row) -> dict[str, Any]:
        if row.probabilities is None:
            return {"path": str(row.path), "error": row.error.reason if row.error else ""}
        classes, values = self.wanted.classes, [float(str(value)) for value in row.probabilities]
        content: dict[str, Any] = {"path": str(row.path)}
        if self.wanted.separator:
            content["labels"] = _own(self.wanted, row.probabilities)
        else:
            content["label"], content["score"] = _label(row, classes), float(str(_score(row, row.probabilities)))
        if self.wanted.top:
            best = _top(row.probabilities, self.wanted.top)
            content["top"] = [{"label": classes[i], "probability": values[i]} for i in best]
        if self.wanted.probabilities:
            content["probabilities"] = dict(zip(classes, values, strict=True))
        return content


class Parquet:
    """A column each as in the CSV file, names as they are; escapes for what is no UTF-8 in a path."""

    def __init__(self, wanted: Wanted, sink: Sink) -> None:
        """Keep what is wanted, and open the file.

        Raises:
            ConfigError: If pyarrow is not installed.
        """
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            hint = "pip install 'cvrun[parquet]', or write CSV"
            raise ConfigError("--format parquet: needs pyarrow, which is not installed", hint) from error
        self.wanted, self.arrow, self.columns = wanted, pyarrow, _columns(wanted, wanted.classes)
        is_text = {"path", "label", "labels", *(f"top_{k}" for k in range(1, wanted.top + 1))}
        kinds = [pyarrow.string() if name in is_text else pyarrow.float32() for name in self.columns]
        self.schema = pyarrow.schema(list(zip(self.columns, kinds, strict=True)))
        self.file = pyarrow.parquet.ParquetWriter(sink, self.schema)

    def start(self) -> None:
        """Write nothing: the columns stand at the end of such a file."""

    def add(self, rows: Sequence[Row]) -> None:
        """Write the rows of images that could be used."""
        cells = [self._cells(row, row.probabilities) for row in rows if row.probabilities is not None]
        if cells:
            columns = [self.arrow.array(column, field.type) for column, field in zip(zip(*cells), self.schema)]  # noqa: B905
            self.file.write_table(self.arrow.Table.from_arrays(columns, schema=self.schema))

    def end(self) -> None:
        """Write where everything stands."""
        self.file.close()

    def _cells(self, row: Row, probabilities: NDArray[np.float32]) -> list[Any]:
        path = os.fsencode(row.path).decode(errors="backslashreplace")
        cells: list[Any] = [path, _label(row, self.wanted.classes), _score(row, probabilities)]
        if self.wanted.separator:
            cells[1:] = [_joined(self.wanted, probabilities)]
        for best in _top(probabilities, self.wanted.top):
            cells += [self.wanted.classes[best], probabilities[best]]
        return cells + list(probabilities) * self.wanted.probabilities


def _columns(wanted: Wanted, labels: Sequence[str]) -> list[str]:
    taken = ["path", "labels"] if wanted.separator else ["path", "label", "score"]
    for k in range(1, wanted.top + 1):
        taken += [f"top_{k}", f"top_{k}_probability"]
    # Two columns of one name would read back as one.
    named = [f"probability of {name}" if name in taken else name for name in labels]
    return taken + named * wanted.probabilities


def _own(wanted: Wanted, probabilities: NDArray[np.float32]) -> list[str]:
    """Give the labels of an image, where it has any number."""
    return [name for name, value in zip(wanted.classes, probabilities, strict=True) if value >= THRESHOLD]


def _joined(wanted: Wanted, probabilities: NDArray[np.float32]) -> str:
    return wanted.separator.join(_own(wanted, probabilities))


def _label(row: Row, names: Sequence[str]) -> str | None:
    return None if row.label is None else names[row.label]


def _score(row: Row, probabilities: NDArray[np.float32]) -> np.float32:
    """Give the probability of the label, or of the most probable class where the image is rejected."""
    return np.float32(probabilities.max() if row.label is None else probabilities[row.label])


def _top(probabilities: NDArray[np.float32], count: int) -> list[int]:
    """Give the most probable classes, the first of equal ones first."""
    found: list[int] = np.argsort(-probabilities, kind="stable")[:count].tolist()
    return found
