"""Tables of what is measured beside the metrics: slices of a split, predictive values, the scatter of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cvrun.errors import printable
from cvrun.report.summary import number
from cvrun.report.tables import text_table

_SHOWN = ("accuracy", "balanced_accuracy")
"""Metrics of a slice that are printed; the others are in the document of --json."""


def slice_table(column: str, found: Mapping[str, Any], least: int) -> str:
    """Give an empty line, a row for each value of a column, the worst of them, and what is hidden.

    Args:
        column: Its name.
        found: `slices`, `hidden` and `worst`, as `cvrun.metric._slices.slices` gives them.
        least: [images] Of a value that is shown.
    """
    cells = [
        [
            row["value"] or "(none)",
            f"{row['images']:,}",
            number(row["accuracy"]),
            f"{row['low']:.3f} to {row['high']:.3f}",
            number(row["balanced_accuracy"]),
        ]
        for row in found["slices"]
    ]
    columns = [column, "images", "accuracy", "95% interval", "balanced accuracy"]
    table = text_table(columns, cells, right=(1, 2, 3, 4)) if cells else ""
    count, images = found["hidden"]["values"], found["hidden"]["images"]
    hidden = ""
    if count:
        values = "1 value" if count == 1 else f"{count:,} values"
        together = f"{images:,} image{'' if images == 1 else 's'}"
        hidden = f"{column}: hidden: {values} with fewer than {least} images, together {together}\n"
    return f"\n{table}{_worst(column, found)}{hidden}"


def _worst(column: str, found: Mapping[str, Any]) -> str:
    """Give a line with the worst value by each metric of the table, where there are values to choose from."""
    known = {name: of for name, of in found["worst"].items() if name in _SHOWN and of is not None}
    if len(found["slices"]) < 2 or not known:
        return ""
    said = ", ".join(
        f"worst {name.replace('_', ' ')} {number(of[name])} ({of['value'] or '(none)'})" for name, of in known.items()
    )
    return f"{printable(f'{column}: {said}')}\n"


def predictive_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Give an empty line and a row for each class: sensitivity, specificity and the predictive values."""
    cells = [
        [
            row["class"],
            f"{row['prevalence']:g}",
            _with_interval(row, "sensitivity"),
            _with_interval(row, "specificity"),
            number(row["ppv"]),
            number(row["npv"]),
        ]
        for row in rows
    ]
    columns = ["class", "prevalence", "sensitivity (95%)", "specificity (95%)", "PPV there", "NPV there"]
    return "\n" + text_table(columns, cells, right=range(1, len(columns)))


def scatter_table(found: Mapping[str, Any]) -> str:
    """Give an empty line and the scatter of features, within the classes and between them."""
    names = ("within", "between", "total", "ratio")
    cells = [[f"{found['features']:,}", *("-" if found[name] is None else f"{found[name]:.4g}" for name in names)]]
    columns = ["features", "scatter within", "between", "total", "between / within"]
    return "\n" + text_table(columns, cells, right=range(len(columns)))


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return "-"
    low, high = row[f"{name}_interval"]
    return f"{row[name]:.4f} ({low:.3f} to {high:.3f})"
