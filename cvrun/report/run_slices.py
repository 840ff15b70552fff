"""The validation images by group and other columns with the worst value, and what a number is a mean over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cvrun.report.page import Html, Section, folded, heading, paragraph, table
from cvrun.report.run_record import RunRecord
from cvrun.report.summary import number

_MOST_VALUES = 200
_OPEN, _WORST = 20, 10
_SHOWN = ("accuracy", "balanced_accuracy")


def slices(record: RunRecord) -> Section:
    """Give the section."""
    found = record.slices
    if not found:
        body = [paragraph("The run has no predictions on its validation images.")]
        return Section("slices", "Groups and slices", body)
    body = []
    for column, values in found["by"].items():
        body += [heading(f"By {column}"), *_column(column, values)]
    if not found["by"]:
        said = "The data of this run has no groups, and its split keeps the shares of the classes alone. "
        if not record.plan:
            said = "Not known: the run has no plan.yaml that says whether its data has groups. "
        body.append(paragraph(said + "`cvrun report RUN --by COLUMN` takes a column of the data."))
    if found["note"]:
        body.append(paragraph(f"{found['note']}.", "note"))
    averaged = [heading("What is averaged"), *_aggregation(found)] if found["by"] or record.plan else []
    return Section("slices", "Groups and slices", [*body, *averaged])


def _column(column: str, found: Mapping[str, Any]) -> list[Html]:
    rows = found["slices"]
    body = []
    if len(rows) > 1:
        worst = [
            f"{name.replace('_', ' ')} {number(of[name])} ({of['value'] or '(none)'})"
            for name, of in found["worst"].items()
            if name in _SHOWN and of is not None
        ]
        body.append(paragraph(f"Worst of {len(rows):,} values: {', '.join(worst)}."))
    if rows:
        by_accuracy = sorted(rows, key=lambda row: row["accuracy"])
        body.append(_table(column, rows if len(rows) <= _OPEN else by_accuracy[:_WORST], len(rows)))
        if len(rows) > _OPEN:
            shown = by_accuracy[:_MOST_VALUES]
            title = (
                f"All {len(rows):,} values" if len(shown) == len(rows) else f"{len(shown):,} of {len(rows):,} values"
            )
            body.append(folded(title, [_table(column, shown, len(rows))]))
    hidden = found["hidden"]
    if hidden["values"]:
        said = f"Hidden, with fewer than 10 images each: {hidden['values']:,} of the values, with together "
        body.append(paragraph(f"{said}{hidden['images']:,} images.", "quiet"))
    return body


def _table(column: str, rows: Sequence[Mapping[str, Any]], count: int) -> Html:
    cells = [
        [row["value"] or "(none)", f"{row['images']:,}", number(row["accuracy"])]
        + [f"{row['low']:.3f} to {row['high']:.3f}", number(row["balanced_accuracy"])]
        for row in rows
    ]
    columns = [column, "images", "accuracy", "95% interval", "balanced accuracy"]
    caption = f"Validation images by {column}"
    if len(rows) < count:
        caption += f"; the {len(rows)} of least accuracy of {count:,}"
    return table(caption, columns, cells, right=range(1, 5), sortable=True)


def _aggregation(found: Mapping[str, Any]) -> list[Html]:
    """Give what each metric is a mean over, and where it has no value."""
    groups, rows = found["aggregation"]["groups"], found["aggregation"]["rows"]
    said = "Each metric of this page is computed once over all images of its part (macro_: then the mean over the "
    said += "classes). "
    if not groups:
        said += "Nothing is averaged over groups: the data has none."
        return [paragraph(said)]
    if all(row["undefined"] is None for row in rows):
        said += "Means over groups are left out: there is one group alone, or more than are worth the time."
        return [paragraph(said)]
    said += f"The other column counts each of the {groups:,} groups once, whatever its images; groups in which a "
    said += "metric has no value are counted and left out."
    cells = [[row["metric"], number(row["images"]), number(row["groups"]), _count(row["undefined"])] for row in rows]
    columns = ["metric", "over all images", "mean over groups", "groups without a value"]
    return [
        paragraph(said),
        table("Metrics over images and over groups, val", columns, cells, (1, 2, 3), sortable=True),
    ]


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
