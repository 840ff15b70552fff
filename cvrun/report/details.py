"""What an evaluation saved beside its predictions, where it is of the right kinds: anybody can write such a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cvrun.folder import RunFolder, finite

_MOST = 2**53
"""Counts up to which a float holds each."""

_SCORES = ("precision", "recall", "f1")
"""What every row of a class has."""


def read_details(path: Path, name: str) -> dict[str, Any]:
    """Give what an evaluation of a run saved beside its predictions.

    A part that readers cannot rely on is left out: `metrics`, `intervals` and `undefined` are mappings, of which what
    is no number, pair of numbers or count is left out by itself; `per_class` has a row a class, perhaps with a 2x2
    table of counts as `confusion`; `confusion_matrix` is a square of counts, with as many rows. Nothing
    where there is no such file.

    Args:
        path: The run's folder.
        name: Such as val or test.
    """
    try:
        content = finite(json.loads((RunFolder(path).predictions / f"{name}.json").read_text()))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    kept = {key: value for key, value in content.items() if key not in _KINDS}
    for key, sound in _KINDS.items():
        if key in content and (value := sound(content[key])) is not None:
            kept[key] = value
    if "per_class" in kept and len(kept["per_class"]) != len(kept.get("confusion_matrix", kept["per_class"])):
        del kept["confusion_matrix"]
    return kept


def _metrics(value: Any) -> dict[str, Any] | None:
    return {name: x if _is_number(x) else None for name, x in value.items()} if isinstance(value, Mapping) else None


def _intervals(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    return {name: ends for name, ends in value.items() if _is_pair(ends)}


def _undefined(value: Any) -> dict[str, Any] | None:
    return {name: n for name, n in value.items() if _is_count(n)} if isinstance(value, Mapping) else None


def _uncertainty(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping) or not isinstance(value.get("unit"), str):
        return None
    counts = all(_is_count(value.get(key)) for key in ("units", "resamples"))
    return {**value, "undefined": _undefined(value.get("undefined")) or {}} if counts else None


def _per_class(value: Any) -> list[Any] | None:
    return value if isinstance(value, list) and all(map(_is_row, value)) else None


def _matrix(value: Any) -> list[Any] | None:
    square = isinstance(value, list) and all(isinstance(row, list) and len(row) == len(value) for row in value)
    return value if square and all(_is_count(n) for row in value for n in row) else None


def _is_row(row: Any) -> bool:
    if not isinstance(row, Mapping) or not isinstance(row.get("class"), str) or not _is_count(row.get("support")):
        return False
    if "confusion" in row and len(_matrix(row["confusion"]) or ()) != 2:
        return False
    scores = {key: value for key, value in row.items() if key not in ("class", "support", "confusion")}
    return set(_SCORES) <= scores.keys() and all(x is None or _is_number(x) for x in scores.values())


def _is_pair(ends: Any) -> bool:
    found = [ends.get("low"), ends.get("high")] if isinstance(ends, Mapping) else ends
    return isinstance(found, list) and len(found) == 2 and all(map(_is_number, found))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST


_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "metrics": _metrics,
    "intervals": _intervals,
    "undefined": _undefined,
    "uncertainty": _uncertainty,
    "per_class": _per_class,
    "confusion_matrix": _matrix,
}
