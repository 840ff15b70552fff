"""The samples of a tar shard: which image, which label; kept in the cache folder, since headers take time to read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import astuple, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cvrun.cache import cache_folder
from cvrun.data._arrow import number
from cvrun.data._defects import Defect
from cvrun.data._root import CONTROL, reason, shown
from cvrun.data._shard import Member, members
from cvrun.errors import DataError, StorageError
from cvrun.folder import write_atomic

VERSION = 2
"""Of the files in the cache folder."""

LONGEST_TEXT, LONGEST_JSON = 4096, 1 << 20
"""[bytes] of a member that holds a label, or a JSON object."""


@dataclass(frozen=True)
class Keys:
    """Which members of a sample are read, and for what.

    Attributes:
        images: Endings of image members, lower case, without a dot.
        label: Ending of the member that is the label, likewise, or "json:" and a field of the member json.
        group: The same for the group; None: no groups.
        columns: Fields of the member json that become columns.
    """

    images: tuple[str, ...]
    label: str
    group: str | None
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """One image of a shard: its key, where its content begins, how long it is [bytes], and what is said about it."""

    key: str
    offset: int
    size: int
    label: str
    group: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Shard:
    """A shard: its file, length [bytes], times of the last change of its content and of its entry [ns], its samples."""

    path: Path
    size: int
    changed: int
    renewed: int
    samples: list[Sample]
    defects: list[Defect]


def read_shard(path: Path, stem: str, keys: Keys) -> Shard:
    """Give the samples of a shard, from the cache folder if it has not changed; of contents, labels alone are read.

    Args:
        path: The shard.
        stem: What the names of its samples begin with, in defects.
        keys: What is looked for.

    Raises:
        DataError: If the shard cannot be read, or is not a whole plain tar file of plain files.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({reason(error)}), expected a tar file") from error
    try:
        status = os.fstat(descriptor)
        kept = _kept(path, status, keys)
        samples = _load(kept)
        defects: list[Defect] = []
        if samples is None:
            samples, defects = _scan(path, descriptor, status.st_size, stem, keys)
            if not defects:
                _save(kept, samples)
        return Shard(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, samples, defects)
    finally:
        os.close(descriptor)


def _scan(path: Path, descriptor: int, size: int, stem: str, keys: Keys) -> tuple[list[Sample], list[Defect]]:
    together: dict[str, dict[str, Member]] = {}
    defects: list[Defect] = []
    for member in members(path, descriptor, size):
        folder, slash, name = member.name.rpartition("/")
        key, dot, ending = name.partition(".")
        if dot:
            parts = together.setdefault(f"{folder}{slash}{key}", {})
            other = parts.setdefault(ending.lower(), member)
            if other is not member:
                both = f"{PurePosixPath(other.name).name}, {name}"
                defects.append(Defect(f"{stem}/{folder}{slash}{key}", "", both, "each ending once, in either case"))
    samples: list[Sample] = []
    for key, parts in together.items():
        try:
            samples.append(_sample(descriptor, key, parts, keys))
        except _Wrong as error:
            defects.append(Defect(f"{stem}/{key}", error.part, error.value, error.rule))
    return samples, defects


class _Wrong(Exception):
    """What is wrong with a sample."""

    def __init__(self, part: str, value: str, rule: str) -> None:
        self.part, self.value, self.rule = part, value, rule


def _sample(descriptor: int, key: str, parts: dict[str, Member], keys: Keys) -> Sample:
    images = [ending for ending in parts if ending in keys.images]
    if len(images) != 1:
        raise _Wrong("", ", ".join(parts), f"one image that ends in {', '.join(keys.images)}, got {len(images)}")
    image = parts[images[0]]
    read = _Reader(descriptor, parts)
    label = read.text(keys.label, "a class name or index")
    group = read.text(keys.group, "a group") if keys.group is not None else ""
    columns = tuple(_plain(read.field(name)) for name in keys.columns)
    return Sample(key, image.offset, image.size, label, group, columns)


class _Reader:
    """Reads the small members of a sample."""

    def __init__(self, descriptor: int, parts: dict[str, Member]) -> None:
        self._descriptor, self._parts = descriptor, parts
        self._object: dict[str, Any] | None = None

    def text(self, source: str, what: str) -> str:
        """Give the text of a member, or of a field of the JSON object."""
        field = source.removeprefix("json:")
        if field != source:
            value = self.field(field)
            whole = isinstance(value, int) and not isinstance(value, bool)
            text = str(value) if whole else value.strip() if isinstance(value, str) else None
            if text is None:
                raise _Wrong(f"field '{shown(field)}'", _plain(value), f"{what}, a text or a whole number")
            part = f"field '{shown(field)}'"
        else:
            part = f"member '{shown(source)}'"
            try:
                text = self._content(source, LONGEST_TEXT).decode().strip()
            except UnicodeDecodeError as error:
                raise _Wrong(part, "", f"{what} in UTF-8") from error
        if not text or len(text) > LONGEST_TEXT or CONTROL.search(text):
            raise _Wrong(part, text, f"{what} without control characters")
        return text

    def field(self, name: str) -> object:
        """Give a field of the JSON object."""
        if self._object is None:
            self._object = self._parsed(self._content("json", LONGEST_JSON))
        if name not in self._object:
            raise _Wrong(f"field '{shown(name)}'", "", f"it in the object, among: {', '.join(self._object)}")
        return self._object[name]

    def _content(self, ending: str, longest: int) -> bytes:
        member = self._parts.get(ending)
        if member is None:
            raise _Wrong("", ", ".join(self._parts), f"a member '{shown(ending)}' as well")
        if member.size > longest:
            raise _Wrong(f"member '{shown(ending)}'", f"{member.size} bytes", f"at most {longest}")
        return os.pread(self._descriptor, member.size, member.offset)

    def _parsed(self, content: bytes) -> dict[str, Any]:
        try:
            found = json.loads(content)
        # An object within an object within an object, and so on, takes all of the stack.
        except (ValueError, RecursionError) as error:
            raise _Wrong("member 'json'", "", f"JSON ({reason(error)})") from error
        if not isinstance(found, dict):
            raise _Wrong("member 'json'", type(found).__name__, "a JSON object")
        return found


def _plain(value: object) -> str:
    """Give a value of a JSON object as it would stand in a CSV file; what is no single value is empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value, repr(value))
    return str(value).strip() if isinstance(value, str | int) else ""


def _kept(path: Path, status: os.stat_result, keys: Keys) -> Path:
    times = (status.st_mtime_ns, status.st_ctime_ns)
    about = repr((VERSION, os.path.abspath(path), status.st_size, times, astuple(keys)))
    return cache_folder() / "shards" / f"{hashlib.sha256(about.encode(errors='surrogateescape')).hexdigest()}.json"


def _load(kept: Path) -> list[Sample] | None:
    """Give the samples in a file of the cache folder; None if there is none, or it is not what _save wrote."""
    try:
        check, _, rows = kept.read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError):
        return None
    if check != _check(kept, rows):
        return None
    return [
        Sample(key, offset, size, label, group, tuple(columns))
        for key, offset, size, label, group, columns in json.loads(rows)
    ]


def _save(kept: Path, samples: list[Sample]) -> None:
    # A cache folder that cannot be written is no reason to stop: headers are then read each time.
    with contextlib.suppress(StorageError):
        rows = json.dumps([astuple(sample) for sample in samples])
        write_atomic(kept, f"{_check(kept, rows)}\n{rows}".encode())


def _check(kept: Path, rows: str) -> str:
    return hashlib.blake2b(f"{kept.name}\n{rows}".encode(), digest_size=8).hexdigest()
