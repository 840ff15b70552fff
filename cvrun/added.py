"""Keys that came after the first runs, and what each has to be so that a run does what runs did before it came.

A run that was saved by older code lacks them and is loaded with these values; the id of a run leaves them out when they
have these values. So a run outlives an upgrade: it can be resumed, evaluated and found by the command that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ADDED: Mapping[str, Mapping[str, Any]] = {
    "": {
        "skip_unreadable": 0.0,
        "worker_timeout": 300.0,
        "deterministic": False,
        "disk_full": "stop",
        "devices": 1,
        "compile": False,
        "keep_memory": True,
        "cache": "auto",
        "cache_budget": 32.0,
        "audit": True,
        "strict_warnings": False,
        "keep_states": 2,
    },
    "trainer": {"sync_batch_norm": False},
    "data": {
        "group_by": None,
        "group_pattern": None,
        "stratify_by": None,
        "exclude": None,
        "subset": 1.0,
        "accept_leakage": False,
        "hash_ids": False,
        "pixel_size_um": None,
        "value_range": None,
        "card": None,
    },
    "task/classification": {"prior": "none"},
    "sampler/weighted": {"beta": 0.999},
    "loss/cross_entropy": {"class_weights_beta": 0.999},
    "data/csv": {"hash_column": None, "weight_column": None, "synthetic_column": None, "label_separator": None},
    "data/folder": {"extra": None},
    "normalize/zscore": {"scope": "channel"},
    "model/convnet": {"weights": None, "head": "keep"},
    "model/timm": {"head": "keep"},
    "model/torchvision": {"head": "keep"},
}
"""Where ("" at the top, "trainer", "monitor", "data" for every source, or "group/option") -> key -> value; an entry
never changes again."""


def completed(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Give the keys of a saved run, in their order, with a value behind them for each key that came after it."""
    parts = {key: _part(key, node) if isinstance(node, dict) else node for key, node in values.items()}
    return {**parts, **_lacking("", parts)}


def before(where: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Give values without the keys that came later and change nothing.

    Args:
        where: Such as "", "trainer" or "model/timm".
        values: The keys that are there.
    """
    added = ADDED.get(where, {})
    return {key: value for key, value in values.items() if key not in added or value != added[key]}


def _part(group: Any, node: dict[Any, Any]) -> dict[Any, Any]:
    where = [f"{group}/{node['option']}"] if "option" in node else [f"{group}"]
    if group == "data" and "option" in node:
        where.append("data")
    return {**node, **{key: value for place in where for key, value in _lacking(place, node).items()}}


def _lacking(where: str, node: Mapping[Any, Any]) -> dict[str, Any]:
    return {key: value for key, value in ADDED.get(where, {}).items() if key not in node}
