"""What thresholds and a reject option would do: each class at several thresholds, and risk over coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cvrun.report.charts import Axes, Series, line_chart
from cvrun.report.page import Html, folded, paragraph, table
from cvrun.report.run_record import Looked, Risk
from cvrun.report.summary import number

_RATES = ("sensitivity", "specificity", "ppv", "npv")
_SHARES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


def thresholds(looked: Looked) -> list[Html]:
    """Give a table a class, open where there are two classes: then that of the second says all."""
    known = [name for name, rows in looked.thresholds.items() if rows and rows[0]["sensitivity"] is not None]
    if not known:
        return []
    said = "An image is called the class from a threshold of its probability on, whatever the others have. Sensitivity "
    said += "over 1 - specificity is the ROC curve: each row is a point of it. The probabilities are those of the "
    said += "model, before any temperature."
    body = [paragraph(said)]
    if len(looked.thresholds) == 2:
        name = list(looked.thresholds)[1]
        return [*body, _figure(name, looked.thresholds[name]), _table(name, looked.thresholds[name])]
    body += [folded(f"Thresholds of {name}", [_table(name, looked.thresholds[name])]) for name in known]
    left = len(looked.curves) - len(looked.thresholds)
    return [*body, *([paragraph(f"Of {left:,} more classes there is no table.", "quiet")] if left > 0 else [])]


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> Html:
    cells = [
        [f"{row['threshold']:g}", *(f"{row[each]:,}" for each in ("tp", "fp", "fn", "tn"))]
        + [number(row["fpr"]), *(number(row[rate]) for rate in _RATES)]
        for row in rows
    ]
    columns = ["threshold", "TP", "FP", "FN", "TN", "1 - specificity", "sensitivity", "specificity", "PPV", "NPV"]
    return table(f"{name} against the rest, at thresholds of its probability", columns, cells, range(len(columns)))


def _figure(name: str, rows: Sequence[Mapping[str, Any]]) -> Html:
    places = [row["threshold"] for row in rows]
    lines = [
        Series(rate, places, [row[rate] for row in rows])
        for rate in ("sensitivity", "specificity")
        if rows[0][rate] is not None
    ]
    data = table(
        "Rates over the threshold",
        ["threshold", *(line.name for line in lines)],
        [[f"{place:g}", *(number(line.y[i]) for line in lines)] for i, place in enumerate(places)],
        range(len(lines) + 1),
    )
    title = f"Sensitivity and specificity of {name} over the threshold"
    return line_chart("thresholds", title, lines, Axes("threshold", "rate", (0, 1), (0, 1)), data)


def risk_coverage(risk: Risk) -> Html:
    """Give the figure of the share of errors among the images that are decided, the surest first."""
    cells = []
    for share in _SHARES:
        place = next((i for i, each in enumerate(risk.coverage) if each >= share - 1e-12), len(risk.coverage) - 1)
        cells.append([number(each[place]) for each in (risk.coverage, risk.risk, risk.thresholds)])
    # Where many images are equally sure, several shares have the same point.
    cells = [list(row) for row in dict.fromkeys(map(tuple, cells))]
    data = table("Errors among the surest images", ["coverage", "risk", "least probability"], cells, range(3))
    title = f"Risk and coverage: errors if the least sure images are left undecided; area {risk.aurc:.4f}"
    top = max(risk.risk, default=0.0) * 1.08 or 1.0
    return line_chart(
        "risk",
        title,
        [Series("share of errors", risk.coverage, risk.risk)],
        Axes("coverage: share of images decided", "risk: share of errors", (0, 1), (0, top)),
        data,
    )
