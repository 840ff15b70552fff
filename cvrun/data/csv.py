"""Your own images, listed in a CSV table with their labels, and with splits, groups and hashes if you have them."""

from __future__ import annotations

import csv
import io
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from cvrun.data import SPLIT_NAMES, ImageForm, Manifest, class_order
from cvrun.data._root import CONTROL, reason, root_folder, shown
from cvrun.errors import DataError, did_you_mean, require

MAX_ROWS = 10_000_000
MAX_LENGTH = 4096
"""[characters] of a field; the longest path that Linux opens (PATH_MAX)."""

LISTED = 5
"""[rows] that a message names; it counts the others."""


@dataclass(frozen=True)
class Config:
    """The keys of data=csv."""

    root: str | None
    file: str
    path_column: str
    label_column: str
    split_column: str | None
    group_column: str | None
    hash_column: str | None
    classes: tuple[str, ...] | None
    size: int
    channels: int
    fit: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        ImageForm(self.size, self.channels, self.fit)
        require(bool(self.file), "file", self.file, "the name of the table")


@dataclass(frozen=True)
class _Defect:
    """What is wrong with one value."""

    row: int
    column: str
    value: str
    rule: str
    hint: str = ""


def build(config: Config) -> Manifest:
    """Give the rows of the table, in their order; an id is the path as written, in POSIX form.

    The table is comma-separated UTF-8 with a header, which is row 1. Blanks around a value are dropped.

    Raises:
        ConfigError: If the root is not set.
        DataError: If the table cannot be read, lacks a column, or a row has a defect; the first defect is named, all
            are counted, and the first rows that have one are listed.
    """
    root = root_folder(config.root)
    table = root / Path(config.file).expanduser()
    header, rows = _read(table)
    optional = [config.split_column, config.group_column, config.hash_column]
    wanted = [config.path_column, config.label_column, *optional]
    at = {column: _find(column, header, table) for column in wanted if column is not None}
    check = _Check(config, root)
    for number, row in rows:
        if len(row) != len(header):
            check.defects.append(_Defect(number, "", ",".join(row), f"{len(header)} values, got {len(row)}"))
        else:
            check.row(number, {column: row[i] for column, i in at.items()})
    if check.defects:
        raise _error(table, check.defects)
    classes = class_order(check.labels, config.classes, str(table))
    index = {name: i for i, name in enumerate(classes)}
    return Manifest(
        ids=tuple(check.ids),
        labels=np.array([index[name] for name in check.labels], dtype=np.int64),
        classes=classes,
        form=ImageForm(config.size, config.channels, config.fit),
        paths=tuple(Path(str(root), name) for name in check.ids),
        groups=tuple(check.groups) if config.group_column is not None else None,
        official=tuple(check.official) if config.split_column is not None else None,
        hashes=tuple(check.hashes) if config.hash_column is not None else None,
    )


def _read(table: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Give the header and the rows with their numbers; empty lines are left out."""
    try:
        lines = table.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(f"{table} row {at}: not UTF-8 ({error.reason}), expected a UTF-8 table") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{shown(table)}: cannot be read ({reason(error)}), expected a CSV table") from error
    rows: list[tuple[int, list[str]]] = []
    number = 0
    try:
        for number, row in enumerate(csv.reader(io.StringIO(lines, newline=""), skipinitialspace=True), start=1):
            if row:
                rows.append((number, [value.strip() for value in row]))
            if number > MAX_ROWS:
                raise DataError(f"{table}: more than {MAX_ROWS} rows, expected fewer")
    except csv.Error as error:
        raise DataError(
            f"{table} row {number + 1}: not a CSV row ({error}), expected comma-separated values"
        ) from error
    if len(rows) < 2:
        raise DataError(f"{table}: {len(rows)} rows, expected a header and at least one image")
    return rows[0][1], rows[1:]


def _find(column: str, header: list[str], table: Path) -> int:
    if header.count(column) == 1:
        return header.index(column)
    fact = "stands twice" if column in header else "is missing"
    names = shown(", ".join(header))
    raise DataError(
        f"{table} row 1: column '{column}' {fact}, expected it among: {names}", did_you_mean(column, header)
    )


class _Check:
    """Reads rows, keeps what is good and notes every defect."""

    def __init__(self, config: Config, root: Path) -> None:
        self.config = config
        self.root = str(root)
        self.real = os.path.realpath(root)
        self.first: dict[str, int] = {}
        self.folders: dict[str, str] = {}
        self.defects: list[_Defect] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.groups: list[str] = []
        self.official: list[str] = []
        self.hashes: list[str] = []

    def row(self, number: int, values: dict[str, str]) -> None:
        """Check one row; values holds the columns that are used."""
        known = len(self.defects)
        for column, value in values.items():
            if CONTROL.search(value) or len(value) > MAX_LENGTH:
                rule = f"text without control characters, at most {MAX_LENGTH} of it"
                self.defects.append(_Defect(number, column, value, rule))
        if len(self.defects) > known:
            return
        self._path(number, values[self.config.path_column])
        self._label(number, values[self.config.label_column])
        if self.config.split_column is not None:
            self._split(number, values[self.config.split_column])
        if self.config.group_column is not None:
            self._text(number, self.config.group_column, values[self.config.group_column], "a group", self.groups)
        if self.config.hash_column is not None:
            self._hash(number, values[self.config.hash_column])

    def _path(self, number: int, value: str) -> None:
        column = self.config.path_column
        path = PurePosixPath(value)
        name = path.as_posix()
        rule, hint = "", ""
        if not value:
            rule = "the path of an image"
        elif path.is_absolute() or ".." in path.parts:
            rule = "a path below data.root, without '..'"
        elif name in self.first:
            rule = f"each image once, it stands in row {self.first[name]} as well"
        else:
            rule, hint = self._file(name)
        self.first.setdefault(name, number)
        self.ids.append(name)
        if rule:
            self.defects.append(_Defect(number, column, value, rule, hint))

    def _file(self, name: str) -> tuple[str, str]:
        """Give what is wrong with the file of a relative path, and a hint; empty text when nothing is."""
        path = os.path.join(self.root, name)
        try:
            mode = os.lstat(path).st_mode
            real = self._real(os.path.dirname(path))
            if stat.S_ISLNK(mode):
                real, mode = os.path.realpath(path), os.stat(path).st_mode
        except OSError as error:
            return f"an image file ({reason(error)})", "paths are relative to data.root"
        if not os.path.join(real, "").startswith(os.path.join(self.real, "")):
            return "a path below data.root, its symbolic link leads elsewhere", ""
        return ("" if stat.S_ISREG(mode) else "an image file, it is something else"), ""

    def _real(self, folder: str) -> str:
        if folder not in self.folders:
            self.folders[folder] = os.path.realpath(folder)
        return self.folders[folder]

    def _label(self, number: int, value: str) -> None:
        column, classes = self.config.label_column, self.config.classes
        if value.lower() == "nan":
            self.defects.append(_Defect(number, column, value, "a class name (nan is what an empty cell becomes)"))
        elif value and classes is not None and value not in classes:
            rule = f"one of data.classes ({', '.join(classes)})"
            self.defects.append(_Defect(number, column, value, rule, did_you_mean(value, classes)))
        else:
            self._text(number, column, value, "a class name", self.labels)

    def _split(self, number: int, value: str) -> None:
        part = SPLIT_NAMES.get(value.lower(), "")
        self.official.append(part)
        if not part:
            rule, column = f"one of {', '.join(SPLIT_NAMES)}", str(self.config.split_column)
            self.defects.append(_Defect(number, column, value, rule))

    def _hash(self, number: int, value: str) -> None:
        self.hashes.append(value.lower())
        if not re.fullmatch("[0-9a-fA-F]{64}", value):
            rule, column = "the sha256 of the file, 64 hex digits", str(self.config.hash_column)
            self.defects.append(_Defect(number, column, value, rule))

    def _text(self, number: int, column: str, value: str, what: str, into: list[str]) -> None:
        into.append(value)
        if not value:
            self.defects.append(_Defect(number, column, value, what))


def _error(table: Path, defects: Iterable[_Defect]) -> DataError:
    found = list(defects)
    first = found[0]
    where = f"{table} row {first.row}" + (f", column '{first.column}'" if first.column else "")
    value = shown(first.value if len(first.value) <= 200 else first.value[:200] + "...")
    rows = list(dict.fromkeys(str(defect.row) for defect in found))
    listed = f"{', '.join(rows[:LISTED])}{', ...' if len(rows) > LISTED else ''}"
    more = f"{len(found)} defects in {len(rows)} row{'s' * (len(rows) > 1)}: {listed}" if len(found) > 1 else ""
    hint = "; ".join(text for text in (first.hint, more) if text)
    return DataError(f"{where}: '{value}', expected {first.rule}", hint)
