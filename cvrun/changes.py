"""What was changed in a run after its start: changes.jsonl, and how a change is found and said.

A line is `{"time", "step", "changes": {key: [before, after]}}`. spec.yaml, and with it the id of the run, stays; every
later load of the run applies all lines in order.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cvrun.errors import CheckpointError
from cvrun.folder import write_atomic
from cvrun.keys import ALLOWED, class_of
from cvrun.spec import Spec

Changes = Mapping[str, tuple[Any, Any]]
"""Key -> value before and after; of a group whose option changed the keys of both, `option` among them."""

NO_CHANGES: Changes = MappingProxyType({})

NO_WAY_BACK = "it cannot be written by hand; rerun=true starts afresh and keeps this run aside"

_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One line of changes.jsonl.

    Attributes:
        time: When it took effect, UTC.
        step: Optimizer steps that were done by then.
        changes: What changed.
    """

    time: str
    step: int
    changes: Changes


def read(path: Path) -> list[Entry]:
    """Give the lines of a changes.jsonl, in order; one that was not written to its end does not count.

    Raises:
        CheckpointError: If the file is damaged.
    """
    # A pipe would be waited for without end.
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path}: cannot be read (is no file)", NO_WAY_BACK)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(content) > _MAX_BYTES:
        raise CheckpointError(f"{path}: {len(content):,} bytes, expected at most {_MAX_BYTES:,}", NO_WAY_BACK)
    found = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            found.append(_entry(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"{path}, line {number}: damaged ({error})", NO_WAY_BACK) from error
    return found


def write(path: Path, entries: Sequence[Entry]) -> None:
    """Replace a changes.jsonl as a whole: after a crash it has its old lines or the new ones.

    Raises:
        StorageError: If it cannot be written.
    """
    lines = (json.dumps(dataclasses.asdict(entry), allow_nan=False) + "\n" for entry in entries)
    write_atomic(path, "".join(lines).encode())


def values(entries: Sequence[Entry]) -> list[tuple[str, Any]]:
    """Give key and new value of every change, in order."""
    return [(key, after) for entry in entries for key, (_, after) in entry.changes.items()]


def difference(before: Spec, after: Spec) -> Changes:
    """Give what differs between two Specs of a run, but for the loggers."""
    found: dict[str, tuple[Any, Any]] = {}
    for prefix, part in (("", "settings"), ("trainer.", "trainer"), ("monitor.", "monitor")):
        found |= _differing(prefix, dataclasses.asdict(getattr(before, part)), dataclasses.asdict(getattr(after, part)))
    for group, choice in before.parts.items():
        new = after.parts[group]
        old_keys, new_keys = dataclasses.asdict(choice.config), dataclasses.asdict(new.config)
        if new.option != choice.option:
            found[group] = {"option": choice.option, **old_keys}, {"option": new.option, **new_keys}
        else:
            found |= _differing(f"{group}.", old_keys, new_keys)
    return found


def said(changes: Changes) -> list[str]:
    """Give each change for people, such as "trainer.epochs 3 -> 6"."""
    return [f"{key} {_shown(before)} -> {_shown(after)}" for key, (before, after) in changes.items()]


def as_overrides(overrides: Sequence[str], changed: Sequence[tuple[str, Any]]) -> list[str]:
    """Give what a command line said, such as "trainer.epochs=3", as it would be with other values.

    Args:
        overrides: What it said.
        changed: Key -> new value, in order.
    """
    found = list(overrides)
    for key, value in changed:
        found = [text for text in found if not _is_about(text, key)]
        pairs = {f"{key}.{name}": part for name, part in value.items()} if isinstance(value, Mapping) else {key: value}
        found += [f"{name.removesuffix('.option')}={_plain(part)}" for name, part in pairs.items()]
    return found


def _entry(line: Any) -> Entry:
    changes = {str(key): (before, after) for key, (before, after) in line["changes"].items()}
    wrong = [key for key in changes if class_of(key) != ALLOWED]
    if wrong or not isinstance(line["time"], str) or type(line["step"]) is not int or line["step"] < 0:
        raise ValueError(f"{wrong[0]} cannot change" if wrong else "no time or no step")
    return Entry(line["time"], line["step"], changes)


def _differing(prefix: str, before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {prefix + key: (value, after[key]) for key, value in before.items() if after[key] != value}


def _is_about(text: str, key: str) -> bool:
    name = text.lstrip("+~").partition("=")[0]
    return name == key or name.startswith(f"{key}.")


def _shown(value: Any) -> str:
    if not isinstance(value, Mapping):
        return _plain(value)
    keys = ", ".join(f"{name}={_plain(part)}" for name, part in value.items() if name != "option")
    return f"{value['option']} ({keys})" if keys else str(value["option"])


def _plain(value: Any) -> str:
    """Give a value as YAML spells it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else f"{value}"
