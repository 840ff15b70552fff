"""Your own images in tar shards, as WebDataset writes them: one key for the files of an image."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from cvrun.data import SPLITS, ImageForm, Manifest, class_order
from cvrun.data._defects import Defect, report
from cvrun.data._patterns import files
from cvrun.data._root import root_folder, some
from cvrun.data._samples import Keys, Shard, read_shard
from cvrun.errors import ConfigError, DataError, did_you_mean, printable, require
from cvrun.physical import Pixels

_ENDING = re.compile(r"[A-Za-z0-9_.-]+")
_INDEX = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class Config:
    """The keys of data=webdataset."""

    root: str | None
    train: str | None
    val: str | None
    test: str | None
    image_keys: tuple[str, ...]
    label_key: str
    group_key: str | None
    columns: tuple[str, ...] | None
    classes: tuple[str, ...] | None
    size: Pixels
    channels: int
    fit: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        ImageForm(self.size, self.channels, self.fit)
        endings = bool(self.image_keys) and all(_ENDING.fullmatch(key) for key in self.image_keys)
        require(endings, "image_keys", list(self.image_keys), "endings of names, such as [jpg, png]")
        for key, value in (("label_key", self.label_key), ("group_key", self.group_key)):
            if value is not None:
                field = value.startswith("json:") and len(value) > len("json:")
                require(field or bool(_ENDING.fullmatch(value)), key, value, "an ending such as cls, or json:FIELD")


class Shards:
    """Images within tar shards, which are read at the place where they lie; an `Encoded`."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        """Keep where each image of shards lies, in their order."""
        self._shards = list(shards)
        counts = [len(shard.samples) for shard in shards]
        self._shard = np.repeat(np.arange(len(shards)), counts)
        self._offsets = np.array([sample.offset for shard in shards for sample in shard.samples], dtype=np.int64)
        self._sizes = np.array([sample.size for shard in shards for sample in shard.samples], dtype=np.int64)

    def read(self, position: int) -> bytes:
        """Give the content of an image file; from any thread.

        Raises:
            OSError: If the shard cannot be read, or is not the one any more that was listed.
        """
        shard = self._shards[self._shard[position]]
        descriptor = os.open(shard.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if (status.st_size, status.st_mtime_ns) != (shard.size, shard.changed):
                raise OSError(f"the shard {shard.path} was changed meanwhile")
            return os.pread(descriptor, self.size(position), int(self._offsets[position]))
        finally:
            os.close(descriptor)

    def size(self, position: int) -> int:
        """Give the length of that content [bytes]."""
        return int(self._sizes[position])

    def origin(self, position: int) -> str:
        """Give the shard's path, length and times of the last change, and the place in it."""
        shard = self._shards[self._shard[position]]
        return f"{shard.path} {shard.size} {shard.changed} {shard.renewed} {self._offsets[position]}"


def build(config: Config) -> Manifest:
    """Give the images of all shards in their order; an id is the name of the shard without .tar, a slash and the key.

    With shards of val or test the parts are an official split. Headers and labels are read, images are not.

    Raises:
        ConfigError: If the root is not set, or a pattern is not understood.
        DataError: If a shard is missing or damaged, or samples have defects; the first is named, and all are counted.
    """
    root = root_folder(config.root)
    patterns = {part: pattern for part in SPLITS if (pattern := getattr(config, part)) is not None}
    if "train" not in patterns:
        raise ConfigError("data.train=null: expected the shards of the train part", "set data.train=PATTERN")
    label, group = _ending(config.label_key), config.group_key
    group = group if group is None else _ending(group)
    keys = Keys(tuple(key.lower() for key in config.image_keys), label, group, config.columns or ())
    names = {part: files(root, part, pattern) for part, pattern in patterns.items()}
    parts = [part for part, found in names.items() for _ in found]
    listed = [name for found in names.values() for name in found]
    _require_plain(listed)
    _require_once([os.path.realpath(root / name) for name in listed], listed)
    stems = [PurePosixPath(name).with_suffix("").as_posix() for name in listed]
    shards = _read([(root / name, stem) for name, stem in zip(listed, stems, strict=True)], keys)
    samples = [(part, stem, s) for part, stem, shard in zip(parts, stems, shards, strict=True) for s in shard.samples]
    ids = tuple(f"{stem}/{sample.key}" for _, stem, sample in samples)
    texts = [sample.label for _, _, sample in samples]
    defects = [defect for shard in shards for defect in shard.defects]
    classes, labels = _labels(config, ids, texts, defects)
    if defects:
        raise report(root, "sample", defects)
    columns = {
        printable(name): tuple(printable(sample.columns[i]) for _, _, sample in samples)
        for i, name in enumerate(keys.columns)
    }
    return Manifest(
        ids=ids,
        labels=labels,
        classes=classes,
        form=ImageForm(config.size, config.channels, config.fit),
        groups=tuple(sample.group for _, _, sample in samples) if config.group_key is not None else None,
        official=tuple(part for part, _, _ in samples) if len(patterns) > 1 else None,
        encoded=Shards(shards),
        columns=columns,
    )


def _ending(key: str) -> str:
    """Give a key as the members of a sample are found by, whose endings count in either case."""
    return key if key.startswith("json:") else key.lower()


def _require_plain(names: Sequence[str]) -> None:
    """Raise DataError unless all names end in .tar."""
    others = [name for name in names if not name.lower().endswith(".tar")]
    if others:
        packed = any(name.lower().endswith((".gz", ".tgz", ".bz2", ".xz", ".zst")) for name in others)
        hint = "unpack it (gunzip): no image in the middle of a compressed shard can be reached" if packed else ""
        raise DataError(f"{some(others)}: expected plain .tar shards ({len(others)} others)", hint)


def _require_once(real: Sequence[str], names: Sequence[str]) -> None:
    """Raise DataError if a shard is listed twice, in one part or in two."""
    first: dict[str, str] = {}
    for path, name in zip(real, names, strict=True):
        if path in first:
            raise DataError(f"{some([name])}: the shard is listed twice, as {some([first[path]])}, expected it once")
        first[path] = name


def _read(shards: Sequence[tuple[Path, str]], keys: Keys) -> list[Shard]:
    """Give the content of each shard; those that cannot be read are one error."""
    found, errors = [], []
    for path, stem in shards:
        try:
            found.append(read_shard(path, stem, keys))
        except DataError as error:
            errors.append((stem, str(error)))
    if errors:
        hint = f"{len(errors)} of {len(shards)} shards: {some([stem for stem, _ in errors])}" if len(errors) > 1 else ""
        raise DataError(errors[0][1], hint)
    return found


def _labels(
    config: Config, ids: Sequence[str], texts: Sequence[str], defects: list[Defect]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Give the classes and the index of each label; where classes are given a label may be the index itself."""
    if config.classes is None:
        classes = class_order(texts, None, "data")
        index = {name: i for i, name in enumerate(classes)}
        return classes, np.array([index[text] for text in texts], dtype=np.int64)
    classes = class_order((), config.classes, "data")
    index = {name: i for i, name in enumerate(classes)}
    labels = np.zeros(len(texts), dtype=np.int64)
    for i, text in enumerate(texts):
        if text not in index and not (_INDEX.fullmatch(text) and int(text) < len(classes)):
            rule = f"one of data.classes ({', '.join(classes)}) or 0 to {len(classes) - 1}"
            defects.append(Defect(ids[i], f"label '{config.label_key}'", text, rule, did_you_mean(text, classes)))
        else:
            labels[i] = index[text] if text in index else int(text)
    return classes, labels
