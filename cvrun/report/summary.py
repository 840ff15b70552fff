"""What a finished run prints: its score, metrics and a row for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cvrun.errors import ConfigError, printable
from cvrun.folder import RunFolder
from cvrun.interval import FEW
from cvrun.report.details import read_details
from cvrun.report.openings import below, or_fault
from cvrun.report.tables import text_table
from cvrun.yamlfile import load_yaml

_MOST_CLASSES = 25
"""A per-class table with more rows is left to the files."""

_MOST_COLUMNS = 12
"""A confusion matrix with more columns is left to the files."""


def summary(path: Path, status: Mapping[str, Any], note: str = "") -> str:
    """Give the outcome of a run as text.

    Args:
        path: The run's folder.
        status: What its status.json says.
        note: A line about what happened before, or nothing.
    """
    epochs, seconds = float(status.get("epochs") or 0), float(status.get("seconds") or 0)
    said = f"{path}: {status.get('state')} ({status.get('reason')})" + (f"; {note}" if note else "")
    lines = [printable(said)]
    if status.get("score") is not None:
        best = f"best {status.get('monitor')} {float(status['score']):.4f} at step {status.get('best_step') or 0:,}"
        lines.append(f"{best}; {epochs:.1f} epochs in {seconds:.1f} s")
    if imbalance := disclosure(path):
        lines.append(printable(f"imbalance: {imbalance}"))
    text = "\n".join(lines) + "\n"
    opened = below(or_fault(RunFolder(path))) if status.get("state") == "finished" else ""
    metrics = status.get("metrics")
    if not isinstance(metrics, Mapping):
        return text + opened
    details = read_details(path, "val")
    tables = class_table(details.get("per_class", [])) + left_out(details.get("undefined", {}))
    return text + "\n" + metric_table(metrics) + tables + opened


def disclosure(path: Path) -> str:
    """Give what a run's plan says about classes of different size and what was done about them; often nothing."""
    try:
        plan = load_yaml(RunFolder(path).plan)
    except (OSError, ConfigError):
        return ""
    imbalance = plan.get("imbalance") if isinstance(plan, Mapping) else None
    line = imbalance.get("line") if isinstance(imbalance, Mapping) else None
    return line if isinstance(line, str) else ""


def metric_table(metrics: Mapping[str, float | None], intervals: Mapping[str, Any] | None = None) -> str:
    """Give metrics as a table, the plain values beside those with test-time augmentation.

    Args:
        metrics: By name, such as val/accuracy or val/tta/accuracy.
        intervals: By the same names, low and high; None where a metric has none. Without any, no column of them.
    """
    plain = {name: value for name, value in metrics.items() if "/tta/" not in name}
    augmented = {name.replace("/tta/", "/"): name for name in metrics if "/tta/" in name}
    columns, kinds = ["metric", "value"], [{name: name for name in plain}]
    if augmented:
        columns.append("with tta")
        kinds.append(augmented)
    if intervals is not None:
        columns = ["metric", *(word for column in columns[1:] for word in (column, "95% interval"))]
    rows = []
    for name in plain:
        row = [name]
        for kind in kinds:
            full = kind.get(name, "")
            row.append(number(metrics.get(full)))
            row += [] if intervals is None else [between(intervals.get(full))]
        rows.append(row)
    return text_table(columns, rows, right=range(1, len(columns)))


def between(ends: Sequence[float] | None) -> str:
    """Give an interval to four digits; a dash where there is none."""
    return "-" if ends is None else f"{number(ends[0])} to {number(ends[1])}"


def sure(found: Mapping[str, Any]) -> str:
    """Give lines on how intervals came about, and what they are worth.

    Args:
        found: As `uncertainty` of `cvrun.command._intervals` has it.
    """
    unit, units, resamples = found["unit"], found["units"], found["resamples"]
    noun = f"{units:,} {unit}{'' if units == 1 else 's'}"
    others = f", of the others BCa from {resamples:,} resamples" if resamples else ""
    lines = [f"95% intervals over {noun}: of {found.get('rate', 'accuracy')} Wilson's{others}"]
    if found["percentile"]:
        lines.append(f"of {', '.join(found['percentile'])} percentile intervals, as there is no BCa interval")
    if found["slow"]:
        lines.append(f"of {', '.join(found['slow'])} none, it would take minutes; fewer --resamples give them")
    if found["undefined"]:
        said = ", ".join(f"{name} {count:,}" for name, count in found["undefined"].items())
        lines.append(f"resamples without a value, left out: {said}")
    if units < FEW:
        lines.append(f"warning: {noun}, fewer than {FEW}: the intervals are probably too narrow")
    return "".join(f"{line}\n" for line in lines)


def class_table(rows: list[dict[str, Any]]) -> str:
    """Give an empty line and a row for each class, or nothing where there are too many."""
    if not 0 < len(rows) <= _MOST_CLASSES:
        return ""
    names = ("precision", "recall", "f1")
    cells = [[str(row["class"]), f"{row['support']:,}", *(number(row[name]) for name in names)] for row in rows]
    return "\n" + text_table(["class", "images", *names], cells, right=(1, 2, 3, 4))


def left_out(undefined: Mapping[str, int]) -> str:
    """Give an empty line and a line with how many classes each mean over them leaves out; nothing where none does.

    Args:
        undefined: Metric -> number of classes without a value.
    """
    said = ", ".join(f"{name} {number:,}" for name, number in undefined.items())
    return f"\nclasses without a value, left out of a mean: {said}\n" if said else ""


def confusion_table(rows: list[dict[str, Any]], matrix: list[list[int]]) -> str:
    """Give an empty line and the confusion matrix (a row for each true class), or nothing where it is too wide."""
    if not 0 < len(rows) <= _MOST_COLUMNS:
        return ""
    names = [str(row["class"]) for row in rows]
    cells = [
        [name, *(f"{count:,}" if count else "-" for count in counts)]
        for name, counts in zip(names, matrix, strict=True)
    ]
    return "\n" + text_table(["true \\ predicted", *names], cells, right=range(1, len(names) + 1))


def number(value: float | None) -> str:
    """Give a number to four digits; a dash where it is undefined."""
    return "-" if value is None or value != value else f"{value:.4f}"
