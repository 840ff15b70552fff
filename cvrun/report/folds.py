"""The folds of a cross-validation: mean and spread of each metric over runs that differ in nothing but the fold."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.report.settings import settings_of
from cvrun.report.summary import number
from cvrun.report.tables import text_table
from cvrun.yamlfile import read_text


@dataclass(frozen=True)
class Fold:
    """A run of one fold.

    Attributes:
        setting: What the runs have in common that differ in nothing but the fold.
        shown: The same in words.
        fold: Which it is, from 0.
        folds: How many there are.
        metrics: Name -> value, the monitored one first; empty unless the run is finished.
    """

    setting: str
    shown: str
    fold: int
    folds: int
    metrics: Mapping[str, float | None]


def fold_numbers(split: Any) -> tuple[int, int] | None:
    """Give which fold a split is and of how many, out of its keys; None where it is no fold."""
    keys = split if isinstance(split, Mapping) else {}
    fold, folds = keys.get("fold"), keys.get("folds")
    return (fold, folds) if type(fold) is int and type(folds) is int and 0 <= fold < folds else None


def without_fold(said: Sequence[str]) -> tuple[str, ...]:
    """Give the words of a command line but those that say which fold it is."""
    return tuple(text for text in said if text.lstrip("+").partition("=")[0] != "split.fold")


def metrics_of(status: Mapping[str, Any]) -> dict[str, float | None]:
    """Give what a status.json says of a finished run, its score first; nothing of another."""
    if status.get("state") != "finished":
        return {}
    score = {str(status.get("monitor")): status.get("score")}
    metrics = status.get("metrics")
    return {**score, **{k: v for k, v in metrics.items() if k not in score}} if isinstance(metrics, Mapping) else score


def fold_of_run(run: RunFolder, shown: str) -> Fold | None:
    """Give a run as a fold, or None where it is none."""
    try:
        # Most runs are no folds, and it takes a while to read their YAML.
        if "folds:" not in read_text(run.spec):
            return None
    except (OSError, ValueError, ConfigError):
        return None
    kept = settings_of(run)
    numbers = fold_numbers(kept.get("split"))
    if numbers is None:
        return None
    kept["split"] = {key: value for key, value in kept["split"].items() if key != "fold"}
    setting = f"{run.path.parent}|{json.dumps(kept, sort_keys=True, default=str)}"
    return Fold(setting, shown, *numbers, metrics_of(run.read_status() or {}))


def folds_table(runs: Sequence[Fold]) -> str:
    """Give an empty line and a table with a row for each setting and metric: folds, mean, standard deviation, range.

    The standard deviation is that of a sample (n - 1). A setting of which a fold is missing has no mean; the lines
    below say which. Nothing where there is no fold.
    """
    settings: dict[str, dict[int, Fold]] = {}
    for run in runs:
        settings.setdefault(run.setting, {})[run.fold] = run
    rows, lines = [], []
    for found in settings.values():
        first = next(iter(found.values()))
        done = {fold: run for fold, run in found.items() if run.metrics}
        missing = [str(fold) for fold in range(first.folds) if fold not in done]
        if missing:
            rows.append([first.shown, "-", f"{len(done)} of {first.folds}", *["-"] * 4])
            which = f"fold {missing[0]} is" if len(missing) == 1 else f"folds {', '.join(missing)} are"
            lines.append(f"{first.shown}: {which} missing, so there is no mean\n")
            continue
        for place, name in enumerate(next(iter(done.values())).metrics):
            values = [run.metrics.get(name) for run in done.values()]
            rows.append(["" if place else first.shown, name, f"{first.folds}", *_spread(values)])
    if not rows:
        return ""
    table = text_table(["setting", "metric", "folds", "mean", "sd", "min", "max"], rows, right=(2, 3, 4, 5, 6))
    return f"\n{table}{''.join(lines)}"


def _spread(values: Sequence[float | None]) -> list[str]:
    """Give mean, standard deviation, least and largest; dashes where a value is not known."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < len(values) or len(known) < 2:
        return ["-"] * 4
    return [number(x) for x in (statistics.fmean(known), statistics.stdev(known), min(known), max(known))]
