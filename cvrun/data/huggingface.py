"""Data sets of the Hugging Face hub, or in a folder in one of its formats (extra: huggingface)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cvrun.data import ImageForm, Manifest, class_order
from cvrun.data._arrow import texts_or_none
from cvrun.data._defects import Defect, report
from cvrun.data._hub import snapshot
from cvrun.data._parts import Part, is_saved, open_folder, open_parquet, open_saved
from cvrun.data._root import CONTROL, root_folder, shown
from cvrun.data._rows import Rows, holds_images
from cvrun.errors import ConfigError, DataError, did_you_mean, printable, require
from cvrun.physical import Pixels

MAX_LENGTH = 4096
"""[characters] of a class name or group."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


@dataclass(frozen=True)
class Config:
    """The keys of data=huggingface."""

    root: str | None
    name: str | None
    config_name: str | None
    revision: str | None
    download: bool
    train: str
    val: str | None
    test: str | None
    image_column: str
    label_column: str
    group_column: str | None
    classes: tuple[str, ...] | None
    size: Pixels
    channels: int
    fit: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        ImageForm(self.size, self.channels, self.fit)
        if self.name is not None:
            require(
                bool(_NAME.fullmatch(self.name)), "name", self.name, "owner/name", "a folder is given with data.root"
            )
        splits = [split for split in (self.train, self.val, self.test) if split is not None]
        require(len(set(splits)) == len(splits), "train", self.train, "another split for each of train, val and test")


def build(config: Config) -> Manifest:
    """Give the rows of the splits, in their order; an id is the name of the split, a slash and the row, from 0.

    With a val or test split the parts are an official split. Of all rows the columns with plain values are read; those
    without a use that the source knows become the manifest's columns. Images wait until they are asked for.

    Raises:
        ConfigError: If neither root nor name is set, or both.
        DataError: If the data set is not there, cannot be read, lacks a split or column, or rows have no label.
    """
    splits = {split: part for part in ("train", "val", "test") if (split := getattr(config, part)) is not None}
    where, parts = _open(config, list(splits))
    for part in parts:
        _require_columns(where, part, config)
    defects: list[Defect] = []
    labels = [text for part in parts for text in _texts(part, config.label_column, "a class name", defects)]
    groups = None
    if config.group_column is not None:
        groups = tuple(text for part in parts for text in _texts(part, config.group_column, "a group", defects))
    if defects:
        raise report(where, "row", defects)
    classes = class_order(labels, config.classes if config.classes is not None else _names(parts, config), where)
    index = {name: i for i, name in enumerate(classes)}
    return Manifest(
        ids=tuple(f"{part.name}/{row:06d}" for part in parts for row in range(part.count)),
        labels=np.array([index[text] for text in labels], dtype=np.int64),
        classes=classes,
        form=ImageForm(config.size, config.channels, config.fit),
        groups=groups,
        official=tuple(splits[part.name] for part in parts for _ in range(part.count)) if len(splits) > 1 else None,
        encoded=Rows(parts),
        columns=_columns(parts, config),
    )


def _open(config: Config, splits: Sequence[str]) -> tuple[str, list[Part]]:
    """Give what the data set is called in messages, and its splits."""
    if (config.root is None) == (config.name is None):
        fact = "data.root=null, data.name=null" if config.root is None else "data.root and data.name are both set"
        raise ConfigError(f"{fact}: expected one of them", "set data.root=FOLDER, or data.name=OWNER/NAME")
    try:
        import datasets
    except ImportError as error:
        message = "data=huggingface: needs the package datasets, which is not installed"
        raise DataError(message, "pip install 'cvrun[huggingface]'") from error
    if config.name is not None:
        found = snapshot(config.name, config.config_name, config.revision, splits, config.download)
        features = None if found.features is None else datasets.Features.from_dict(found.features)
        files = {split: found.files[split] for split in splits}
        return config.name, open_parquet(found.folder, files, features, config.image_column)
    root = root_folder(config.root)
    if is_saved(root):
        return str(root), open_saved(root, splits, config.image_column)
    return str(root), open_folder(root, config.config_name, splits, config.image_column)


def _require_columns(where: str, part: Part, config: Config) -> None:
    """Raise DataError unless the columns that are used are there and hold what they should."""
    wanted = {"image_column": config.image_column, "label_column": config.label_column}
    wanted |= {"group_column": config.group_column} if config.group_column is not None else {}
    for key, column in wanted.items():
        if column not in part.kinds:
            names = shown(", ".join(part.kinds))
            message = f"data.{key}={column}: split '{part.name}' of {where} has no such column, expected one of {names}"
            raise DataError(message, did_you_mean(column, part.kinds))
        fits = holds_images(part.kinds[column]) if key == "image_column" else column in part.plain
        if not fits:
            rule = "images" if key == "image_column" else "text, whole numbers or classes"
            kind = shown(str(part.kinds[column]))
            raise DataError(f"data.{key}={column}: split '{part.name}' of {where} holds {kind}, expected {rule}")


def _texts(part: Part, column: str, what: str, defects: list[Defect]) -> list[str]:
    """Give the values of a column that may not be empty, class numbers by name."""
    found = _written(part, column)
    if found is None:
        kind = shown(str(part.kinds[column]))
        raise DataError(
            f"split '{part.name}': column '{shown(column)}' holds {kind}, expected {what}, as text or number"
        )
    for row, text in enumerate(found):
        if not text or len(text) > MAX_LENGTH or CONTROL.search(text):
            defects.append(Defect(f"{part.name}/{row}", f"column '{shown(column)}'", text, what))
    return found


def _written(part: Part, column: str) -> list[str] | None:
    """Give the values of a column as text; None where they cannot be written."""
    names = _class_names(part.features.get(column))
    if names is None:
        texts = texts_or_none(part.plain[column])
        return texts if texts is None else [text.strip() for text in texts]
    # -1 is what a split without labels has.
    numbers = part.plain[column].to_pylist()
    return [names[n] if isinstance(n, int) and 0 <= n < len(names) else "" for n in numbers]


def _class_names(feature: Any) -> tuple[str, ...] | None:
    names = getattr(feature, "names", None)
    return tuple(str(name) for name in names) if isinstance(names, list) else None


def _names(parts: Sequence[Part], config: Config) -> tuple[str, ...] | None:
    """Give the class names that the parts give, those of the first part first; None when one gives none."""
    found: dict[str, None] = {}
    for part in parts:
        names = _class_names(part.features.get(config.label_column))
        if names is None:
            return None
        found |= dict.fromkeys(names)
    return tuple(found)


def _columns(parts: Sequence[Part], config: Config) -> dict[str, tuple[str, ...]]:
    """Give the plain columns that all parts have and that can be written as text, but for that of the labels."""
    columns = {}
    for name in parts[0].plain:
        if name and name != config.label_column and all(name in part.plain for part in parts):
            found = [_written(part, name) for part in parts]
            texts = [text for part in found if part is not None for text in part]
            if None not in found:
                columns[printable(name)] = tuple(printable(text) for text in texts)
    return columns
