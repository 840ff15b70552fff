"""What a run was asked for, as far as it can change a result: runs are compared and grouped by it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.yamlfile import load_yaml

_AT_TOP = ("name", "seed", "skip_unreadable")
"""Keys without keys of their own that can change a result."""


def settings_of(run: RunFolder) -> dict[str, Any]:
    """Give the keys of a run that can change a result: spec.yaml, with what changes.jsonl says in place of it.

    Of the keys at the top these are name, seed and skip_unreadable, and what has keys of its own but the loggers.
    Nothing where spec.yaml cannot be read.
    """
    try:
        spec = load_yaml(run.spec)
    except (OSError, ConfigError):
        return {}
    if not isinstance(spec, dict):
        return {}
    for key, value in _changed(run):
        first, _, rest = key.partition(".")
        if not rest:
            spec[first] = value
        elif isinstance(spec.get(first), dict):
            spec[first] = {**spec[first], rest: value}
    return {k: v for k, v in spec.items() if (isinstance(v, Mapping) and k != "logger") or k in _AT_TOP}


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give full key and value of everything in nested mappings, such as trainer.epochs and 30."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _changed(run: RunFolder) -> list[tuple[str, Any]]:
    """Give key and new value of what was changed after the start, in order; nothing where that cannot be read."""
    # A pipe would be waited for without end.
    if not run.changes.is_file():
        return []
    try:
        lines = [json.loads(line) for line in run.changes.read_bytes().split(b"\n")[:-1]]
        return [(str(key), after) for line in lines for key, (_, after) in line["changes"].items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
