"""plan.yaml of a run that is there: read, and checked as far as anything relies on it, since others can write it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cvrun.errors import ConfigError
from cvrun.sections import PRECISIONS
from cvrun.yamlfile import load_yaml


def read_plan(path: Path) -> dict[str, Any]:
    """Give the content of a plan.yaml.

    Raises:
        OSError: If there is none, or it cannot be read.
        ConfigError: If it is damaged; says what is wrong, without the name of the file.
    """
    try:
        plan = load_yaml(path)
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, ")) from error
    mapping = "a mapping"
    _require(isinstance(plan, dict), "it", mapping)
    for key in ("training", "data", "environment"):
        _require(isinstance(plan.get(key), dict), key, mapping)
    _require(isinstance(plan.get("run_id"), str), "run_id", "text")
    _require(_texts(plan.get("overrides", [])), "overrides", "a list of texts")
    _require(_texts(plan["environment"].values()), "environment", "texts")
    _check_training(plan["training"])
    _check_data(plan["data"])
    return dict(plan)


def _check_training(training: dict[Any, Any]) -> None:
    known = [name for name in PRECISIONS if name != "auto"]
    _require(training.get("precision") in known, "training.precision", f"one of {', '.join(known)}")
    for key in ("total_steps", "steps_per_epoch", "warmup_steps"):
        _require(_is_count(training.get(key)), f"training.{key}", "a number of steps")
    total, warmup = training["total_steps"], training["warmup_steps"]
    _require(training["steps_per_epoch"] > 0, "training.steps_per_epoch", "at least 1")
    _require(warmup < total, "training.warmup_steps", "fewer than training.total_steps")
    lr: Any = training.get("lr")
    _require(type(lr) in (int, float) and 0 < lr <= sys.float_info.max, "training.lr", "a number above 0")


def _check_data(data: dict[Any, Any]) -> None:
    for key in ("data_fingerprint", "split_fingerprint"):
        _require(isinstance(data.get(key), str), f"data.{key}", "text")
    counts = data.get("counts")
    right = isinstance(counts, dict) and _texts(counts) and all(_are_counts(count) for count in counts.values())
    _require(right, "data.counts", "a list of numbers for each part")
    _require(isinstance(data.get("classes"), list) and _texts(data["classes"]), "data.classes", "a list of texts")


def _texts(values: Any) -> bool:
    return not isinstance(values, str) and hasattr(values, "__iter__") and all(isinstance(text, str) for text in values)


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(_is_count(value) for value in values)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _require(right: bool, key: str, rule: str) -> None:
    if not right:
        raise ConfigError(f"{key}: expected {rule}")
