"""Your own images, listed in a CSV or Parquet table with their labels, and splits, groups, hashes and more."""

from __future__ import annotations

import math
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from cvrun.data import SPLIT_NAMES, ImageForm, Manifest, class_order
from cvrun.data._defects import Defect, report
from cvrun.data._root import CONTROL, reason, root_folder
from cvrun.data._sets import label_sets, split_labels
from cvrun.data._table import Table, read_table
from cvrun.errors import did_you_mean, printable, require
from cvrun.physical import Pixels

MAX_LENGTH = 4096
"""[characters] of a field that is used; the longest path that Linux opens (PATH_MAX)."""

TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
"""What a column of truth values may hold, in any case."""

_NUMBER = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


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
    weight_column: str | None
    synthetic_column: str | None
    label_separator: str | None
    classes: tuple[str, ...] | None
    size: Pixels
    channels: int
    fit: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        ImageForm(self.size, self.channels, self.fit)
        require(bool(self.file), "file", self.file, "the name of the table")
        separator = self.label_separator
        require(separator is None or bool(separator.strip()), "label_separator", separator, "null, or what is no space")


def build(config: Config) -> Manifest:
    """Give the rows of the table, in their order; an id is the path as written, in POSIX form.

    The columns of the manifest are those of the table that have a name of their own, but for path, label, split, hash,
    weight and the mark of synthetic images; control characters in them are written out.

    Raises:
        ConfigError: If the root is not set.
        DataError: If the table cannot be read, lacks a column, or a row has a defect; the first defect is named, all
            are counted, and the first rows that have one are listed.
    """
    root = root_folder(config.root)
    table = read_table(root / Path(config.file).expanduser())
    own = [config.path_column, config.label_column, config.split_column]
    own += [config.hash_column, config.weight_column, config.synthetic_column]
    at = {column: table.find(column) for column in (*own, config.group_column) if column is not None}
    check = _Check(config, root)
    header = len(table.header)
    for number, row in table.rows:
        if len(row) != header:
            check.add(number, "", ",".join(row), f"{header} values, got {len(row)}")
        else:
            check.row(number, {column: row[i] for column, i in at.items()})
    if check.defects:
        raise report(table.path, "row", check.defects)
    found = check.labels if config.label_separator is None else [name for own in check.several for name in own]
    classes = class_order(found, config.classes, str(table.path))
    if config.label_separator is None:
        index = {name: i for i, name in enumerate(classes)}
        labels, sets = np.array([index[name] for name in check.labels], dtype=np.int64), None
    else:
        require(bool(classes), "label_separator", config.label_separator, "an image with a label, but none has one")
        labels, classes, sets = label_sets(check.several, classes, config.label_separator)
    return Manifest(
        ids=tuple(check.ids),
        labels=labels,
        classes=classes,
        form=ImageForm(config.size, config.channels, config.fit),
        paths=tuple(Path(str(root), name) for name in check.ids),
        groups=tuple(check.groups) if config.group_column is not None else None,
        official=tuple(check.official) if config.split_column is not None else None,
        hashes=tuple(check.hashes) if config.hash_column is not None else None,
        columns=_columns(table, own),
        weights=np.array(check.weights, dtype=np.float64) if config.weight_column is not None else None,
        synthetic=np.array(check.synthetic, dtype=np.bool_) if config.synthetic_column is not None else None,
        sets=sets,
    )


def _columns(table: Table, own: list[str | None]) -> dict[str, tuple[str, ...]]:
    """Give the columns of the table that have a name, and a use that the source does not know."""
    columns = {}
    for i, name in enumerate(table.header):
        if name and name not in own and table.header.count(name) == 1:
            written: dict[str, str] = {}
            values = (row[i] for _, row in table.rows)
            columns[printable(name)] = tuple(
                written[value] if value in written else written.setdefault(value, printable(value)) for value in values
            )
    return columns


class _Check:
    """Reads rows, keeps what is good and notes every defect."""

    def __init__(self, config: Config, root: Path) -> None:
        self.config = config
        self.root = str(root)
        self.real = os.path.realpath(root)
        self.first: dict[str, int] = {}
        self.folders: dict[str, str] = {}
        self.defects: list[Defect] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.several: list[tuple[str, ...]] = []
        self.groups: list[str] = []
        self.official: list[str] = []
        self.hashes: list[str] = []
        self.weights: list[float] = []
        self.synthetic: list[bool] = []

    def add(self, number: int, column: str, value: str, rule: str, hint: str = "") -> None:
        """Note a defect; column "" stands for the row."""
        self.defects.append(Defect(str(number), f"column '{column}'" if column else "", value, rule, hint))

    def row(self, number: int, values: dict[str, str]) -> None:
        """Check one row; values holds the columns that are used."""
        known = len(self.defects)
        for column, value in values.items():
            if CONTROL.search(value) or len(value) > MAX_LENGTH:
                rule = f"text without control characters, at most {MAX_LENGTH} of it"
                self.add(number, column, value, rule)
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
        if self.config.weight_column is not None:
            self._weight(number, self.config.weight_column, values[self.config.weight_column])
        if self.config.synthetic_column is not None:
            self._synthetic(number, self.config.synthetic_column, values[self.config.synthetic_column])

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
            self.add(number, column, value, rule, hint)

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
        column, classes, separator = self.config.label_column, self.config.classes, self.config.label_separator
        if separator is not None:
            labels, rule, hint = split_labels(value, separator, classes)
            self.several.append(labels)
            if rule:
                self.add(number, column, value, rule, hint)
        elif value.lower() == "nan":
            self.add(number, column, value, "a class name (nan is what an empty cell becomes)")
        elif value and classes is not None and value not in classes:
            rule = f"one of data.classes ({', '.join(classes)})"
            self.add(number, column, value, rule, did_you_mean(value, classes))
        else:
            self._text(number, column, value, "a class name", self.labels)

    def _split(self, number: int, value: str) -> None:
        part = SPLIT_NAMES.get(value.lower(), "")
        self.official.append(part)
        if not part:
            rule, column = f"one of {', '.join(SPLIT_NAMES)}", str(self.config.split_column)
            self.add(number, column, value, rule)

    def _hash(self, number: int, value: str) -> None:
        self.hashes.append(value.lower())
        if not re.fullmatch("[0-9a-fA-F]{64}", value):
            rule, column = "the sha256 of the file, 64 hex digits", str(self.config.hash_column)
            self.add(number, column, value, rule)

    def _weight(self, number: int, column: str, value: str) -> None:
        weight = float(value) if _NUMBER.fullmatch(value) else math.nan
        self.weights.append(weight)
        if not 0 < weight < math.inf:
            self.add(number, column, value, "a weight, a number > 0")

    def _synthetic(self, number: int, column: str, value: str) -> None:
        truth = TRUTH.get(value.lower())
        self.synthetic.append(bool(truth))
        if truth is None:
            self.add(number, column, value, f"one of {', '.join(TRUTH)}")
        elif truth and self.config.split_column is not None and self.official[-1] not in ("train", ""):
            self.add(number, column, value, "no synthetic image outside of train, since they are only trained on")

    def _text(self, number: int, column: str, value: str, what: str, into: list[str]) -> None:
        into.append(value)
        if not value:
            self.add(number, column, value, what)
