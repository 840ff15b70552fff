"""What a model gets right: metrics, the confusion matrix, each class with intervals, ROC, PR and reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cvrun.interval import FEW, wilson
from cvrun.report.charts import Axes, Series, line_chart
from cvrun.report.page import Cell, Html, Section, heading, paragraph, shaded, side_by_side, table
from cvrun.report.run_record import ClassCurves, Looked, RunRecord
from cvrun.report.run_thresholds import risk_coverage, thresholds
from cvrun.report.score import interval_of
from cvrun.report.summary import number
from cvrun.report.theme import HEAT_STEPS, SERIES

_MOST_COLUMNS = 25
_MOST_PAIRS = 25
_MOST_CLASSES = 200
_GRID = [i / 10 for i in range(11)]


def results(record: RunRecord) -> Section:
    """Give the section about the validation images."""
    details = record.evaluated.get("val", {})
    if not details:
        return Section("results", "Results", [paragraph("The run has no evaluation of its validation images.")])
    body = [metrics(record, "val"), _sure(record, "val"), *_left_out(details), *classes(details)]
    if record.looked:
        body.append(heading("Curves"))
        risk = [risk_coverage(record.looked.risk)] if record.looked.risk else []
        body.append(side_by_side([*_one_vs_rest(record.looked), _reliability(record.looked), *risk]))
        if found := thresholds(record.looked):
            body += [heading("Thresholds"), *found]
    return Section("results", "Results on the validation images", body)


def opened(record: RunRecord) -> list[Section]:
    """Give the section about the test images, where they were measured."""
    details = record.evaluated.get("test", {})
    if not details:
        return []
    note = "As of the last time the test set was opened; how often it was is in the disclosure below."
    body = [paragraph(note), metrics(record, "test"), _sure(record, "test"), *_left_out(details), *classes(details)]
    return [Section("test", "Results on the test images", body)]


def _sure(record: RunRecord, part: str) -> Html:
    """Give a line on what the intervals are over, or what would give them."""
    found = record.evaluated[part].get("uncertainty")
    units = found.get("units") if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or type(units) is not int:
        return paragraph(f"`{record.again[1]}` gives the metrics intervals.", "quiet")
    said = f"Intervals over {units:,} {found.get('unit')}s: of {found.get('rate', 'accuracy')} Wilson's"
    if found.get("resamples"):
        said += f", of the others by the bootstrap from {found['resamples']:,} resamples"
    if units < FEW:
        return paragraph(f"{said}. There are fewer than {FEW}, so they are probably too narrow.", "note")
    return paragraph(f"{said}.", "quiet")


def _left_out(details: Mapping[str, Any]) -> list[Html]:
    """Give a line about classes that a mean over them leaves out, where it does."""
    found = details.get("undefined")
    counts = {str(k): n for k, n in found.items() if n} if isinstance(found, Mapping) else {}
    if not counts:
        return []
    which = ", ".join(f"{name} {count}" for name, count in counts.items())
    return [paragraph(f"Classes in which it is undefined, so that the mean leaves them out: {which}.", "note")]


def metrics(record: RunRecord, part: str) -> Html:
    """Give the metrics of an evaluation as a table, with 95% intervals where they are known."""
    found = record.evaluated[part].get("metrics")
    names = list(found) if isinstance(found, Mapping) else []
    rows = [[name, number(record.metric(part, name)), _ends(interval_of(record, part, name))] for name in names]
    columns = ["metric", "value", "95% interval"]
    return table(f"Metrics, {part}", columns, rows, right=(1, 2), sortable=True)


def classes(details: Mapping[str, Any]) -> list[Html]:
    """Give the confusion matrix and the table of classes, or that of labels, out of the details of an evaluation."""
    rows, matrix = details.get("per_class"), details.get("confusion_matrix")
    if isinstance(rows, list) and rows and all(isinstance(row, Mapping) and "confusion" in row for row in rows):
        return [heading("Labels"), labels(rows)]
    if not isinstance(rows, list) or not isinstance(matrix, list) or len(rows) != len(matrix) or not rows:
        return []
    names = [str(row.get("class")) for row in rows]
    parts = [heading("Confusion matrix")]
    parts.append(_matrix(names, matrix) if len(names) <= _MOST_COLUMNS else _pairs(names, matrix))
    return [*parts, heading("Classes"), *_class_table(names, rows, matrix)]


def labels(rows: Sequence[Mapping[str, Any]]) -> Html:
    """Give the table of labels, of which an image has any number, each with its 2x2 table."""
    columns = ["label", "images", "TP", "FP", "FN", "TN", "recall", "95% CI", "precision", "95% CI", "F1"]
    cells = []
    for row in rows:
        (tn, fp), (fn, tp) = row["confusion"]
        cell = [str(row.get("class")), *(f"{n:,}" for n in (tp + fn, tp, fp, fn, tn))]
        cell += [_rate(tp, tp + fn), _between(tp, tp + fn), _rate(tp, tp + fp), _between(tp, tp + fp)]
        cells.append([*cell, *(number(row.get(name)) for name in ("f1", "roc_auc", "average_precision"))])
    caption = "Each label by itself, with Wilson's 95% intervals as of independent images; AP: average precision"
    if len(cells) > _MOST_CLASSES:
        caption += f"; the first {_MOST_CLASSES} of {len(cells):,}"
    numbers = range(1, len(columns) + 2)
    return table(caption, [*columns, "ROC-AUC", "AP"], cells[:_MOST_CLASSES], right=numbers, sortable=True)


def _matrix(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> Html:
    rows: list[list[Cell]] = []
    for i, counts in enumerate(matrix):
        total = max(sum(counts), 1)
        cells = [shaded(f"{n:,}", -(-HEAT_STEPS * n // total), i == j) for j, n in enumerate(counts)]
        rows.append([names[i], *cells, f"{sum(counts):,}"])
    caption = "Rows: true class; columns: predicted class; shade: share of the row; the frame marks what is right"
    return table(caption, ["true \\ predicted", *names, "all"], rows, right=range(1, len(names) + 2))


def _pairs(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> Html:
    wrong = [(n, i, j) for i, row in enumerate(matrix) for j, n in enumerate(row) if i != j and n]
    wrong.sort(key=lambda each: (-each[0], each[1], each[2]))
    shown = [[names[i], names[j], f"{n:,}"] for n, i, j in wrong[:_MOST_PAIRS]]
    caption = (
        f"The most frequent errors, {len(shown)} of {len(wrong):,} pairs; a matrix of {len(names)} classes is too wide"
    )
    return table(caption, ["true", "predicted", "images"], shown, right=(2,), sortable=True)


def _class_table(
    names: Sequence[str], rows: Sequence[Mapping[str, Any]], matrix: Sequence[Sequence[int]]
) -> list[Html]:
    predicted = [sum(column) for column in zip(*matrix, strict=True)]
    areas = any("roc_auc" in row for row in rows)
    cells = []
    for i, row in enumerate(rows):
        hits, support = matrix[i][i], sum(matrix[i])
        cell = [names[i], f"{support:,}", _rate(hits, support), _between(hits, support), _rate(hits, predicted[i])]
        cell += [_between(hits, predicted[i]), number(row.get("f1"))]
        cells.append(cell + ([number(row.get("roc_auc")), number(row.get("average_precision"))] if areas else []))
    order = sorted(range(len(cells)), key=lambda i: (matrix[i][i] / max(sum(matrix[i]), 1), names[i]))
    kept = sorted(order[:_MOST_CLASSES])
    caption = (
        "Each class against the others, with Wilson's 95% intervals as of independent images; AP: average precision"
    )
    if len(kept) < len(cells):
        caption += f"; the {len(kept)} of least recall of {len(cells):,}"
    columns = ["class", "images", "recall", "95% CI", "precision", "95% CI", "F1"]
    columns += ["ROC-AUC", "AP"] if areas else []
    return [table(caption, columns, [cells[i] for i in kept], right=range(1, len(columns)), sortable=True)]


def _rate(hits: int, total: int) -> str:
    return f"{hits / total:.4f}" if total else "-"


def _between(hits: int, total: int) -> str:
    return _ends(wilson(hits, total)) if total else "-"


def _ends(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _one_vs_rest(looked: Looked) -> list[Html]:
    """Give the ROC and the PR figure of the classes of least area; both lines of a class have the same look."""
    known = [each for each in looked.curves if each.roc and each.pr]
    least = sorted(known, key=lambda each: (each.roc_auc if each.roc_auc is not None else 2.0, each.name))[:SERIES]
    shown = [each for each in known if each in least]
    if not shown:
        return [paragraph("No class has images of its own and of others, so there is no ROC curve.")]
    which = "" if len(shown) == len(looked.curves) else f", {len(shown)} of {len(looked.curves)} classes, of least area"
    axes = Axes("1 - specificity", "sensitivity", (0, 1), (0, 1))
    roc = line_chart(
        "roc",
        f"ROC and its area, each class against the rest{which}",
        [Series(_with(each.name, each.roc_auc), *(each.roc or ((), ()))) for each in shown],
        axes,
        _at_grid("Sensitivity at", "1 - specificity", shown, "roc"),
        guide=(0, 0, 1, 1),
    )
    pr = line_chart(
        "pr",
        f"Precision over recall and average precision{which}",
        [Series(_with(each.name, each.average_precision), *(each.pr or ((), ()))) for each in shown],
        Axes("recall", "precision", (0, 1), (0, 1)),
        _at_grid("Precision at", "recall", shown, "pr"),
    )
    return [roc, pr]


def _with(name: str, value: float | None) -> str:
    cut = name if len(name) <= 14 else f"{name[:11]}..."
    return f"{cut}: {value:.3f}" if value is not None else cut


def _at_grid(caption: str, axis: str, shown: Sequence[ClassCurves], kind: str) -> Html:
    """Give the highest y from each x of a grid on (precision) or up to it (sensitivity)."""
    rows = []
    for place in _GRID:
        cells = []
        for each in shown:
            xs, ys = (each.roc if kind == "roc" else each.pr) or ((), ())
            reached = [y for x, y in zip(xs, ys, strict=True) if (x <= place if kind == "roc" else x >= place)]
            cells.append(number(max(reached, default=None)))
        rows.append([f"{place:.1f}", *cells])
    return table(f"{caption} {axis}", [axis, *(each.name for each in shown)], rows, right=range(len(shown) + 1))


def expected_calibration_error(rows: Sequence[Mapping[str, Any]]) -> float:
    """Give the mean distance of confidence and accuracy of the bins, weighted by their images, in [0, 1].

    Source: C. Guo et al., On calibration of modern neural networks, ICML 2017, eq. 3.
    """
    full = [row for row in rows if row["images"]]
    total = sum(row["images"] for row in full)
    return sum(row["images"] * abs(row["confidence"] - row["accuracy"]) for row in full) / total if total else 0.0


def _reliability(looked: Looked) -> Html:
    rows = [row for row in looked.reliability if row["images"]]
    total = max(looked.images, 1)
    cells = [
        [f"{r['low']:.3f} to {r['high']:.3f}", f"{r['images']:,}", number(r["confidence"]), number(r["accuracy"])]
        for r in rows
    ]
    data = table("Bins of confidence", ["confidence", "images", "mean confidence", "accuracy"], cells, right=(1, 2, 3))
    line = Series("accuracy of a bin", [r["confidence"] for r in rows], [r["accuracy"] for r in rows])
    return line_chart(
        "reliability",
        f"Reliability, ECE {expected_calibration_error(rows):.4f}; bars: share of the images",
        [line],
        Axes("confidence", "accuracy", (0, 1), (0, 1)),
        data,
        guide=(0, 0, 1, 1),
        bars=[(r["low"], r["high"], r["images"] / total) for r in rows],
    )
