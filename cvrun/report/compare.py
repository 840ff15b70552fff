"""What `cvrun compare` prints: what each model gets, and whether the others differ from the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cvrun.errors import printable
from cvrun.interval import FEW
from cvrun.report.seeds import few
from cvrun.report.summary import number
from cvrun.report.tables import text_table


def comparison_text(found: Mapping[str, Any]) -> str:
    """Give a comparison as text.

    Args:
        found: What `cvrun compare --json` prints; numbers that are undefined are None.
    """
    models, part = found["models"], found["part"] + (" with tta" if found["tta"] else "")
    head = f"{len(models)} models on {found['images']:,} {part} images, each against {models[0]['name']}"
    text = f"{printable(head)}\n\n{_values(found)}"
    for model in models[1:]:
        rows = [row for row in found["differences"] if row["model"] == model["name"]]
        text += "\n" + printable(f"{model['name']}:") + "\n" + _differences(rows)
        text += "".join(f"{line}\n" for line in _verdicts(rows))
    return text + "\n" + "".join(f"{printable(line)}\n" for line in _notes(found))


def _values(found: Mapping[str, Any]) -> str:
    """Give a row for each model, and one for an answer that looks at no image."""
    names = list(found["models"][0]["values"])
    rows = []
    for model in found["models"]:
        rows.append([model["name"], f"{model['seeds']}", *(number(model["values"][name]) for name in names)])
    if trivial := found["trivial"]:
        values = [number(trivial["values"][name]) for name in names]
        rows.append([f"always '{trivial['class']}', as often as in training", "", *values])
    return text_table(["model", "seeds", *names], rows, right=range(1, len(names) + 2))


def _differences(rows: Sequence[Mapping[str, Any]]) -> str:
    cells = [
        [
            row["metric"],
            _signed(row["difference"]),
            f"{_signed(row['interval'][0])} to {_signed(row['interval'][1])}",
            row["test"],
            _p(row["p"]),
            _p(row["p_corrected"]),
        ]
        for row in rows
    ]
    return text_table(["metric", "difference", "95% interval", "test", "p", "corrected"], cells, right=(1, 2, 4, 5))


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give the metrics by what is shown of them."""
    said = {"better": "better", "worse": "worse", "none": "no difference shown"}
    lines = []
    for verdict, words in said.items():
        names = [row["metric"] for row in rows if row["verdict"] == verdict]
        if names:
            lines.append(f"{words}: {', '.join(names)}")
    return lines


def _notes(found: Mapping[str, Any]) -> list[str]:
    count, unit = len(found["differences"]), found["unit"]
    drawn = f"intervals and p of the bootstrap from {found['resamples']:,} resamples of {found['units']:,} {unit}s"
    lines = [f"{drawn}, the same for all models"]
    if count > 1:
        lines.append(f"p is corrected for all {count} questions (Holm); no difference shown is not the same as equal")
    seeds = [model["seeds"] for model in found["models"]]
    if max(seeds) == 1:
        lines.append("one seed each: what another seed would change is not in the intervals")
    else:
        lines.append("seeds are resampled as well, so the intervals hold for other seeds")
        lines += [f"{model['name']}: {said}" for model in found["models"] if (said := few(model["seeds"]))]
    if found["part"] == "val":
        lines.append("val chose the weights of each model, which flatters all of them")
    if found["groups_unknown"]:
        lines.append("warning: the data has groups, but those of these images are not known: intervals are too narrow")
    if found["units"] < FEW:
        lines.append(f"warning: {found['units']:,} {unit}s, fewer than {FEW}: the intervals are probably too narrow")
    if undefined := max((row["undefined"] for row in found["differences"]), default=0):
        lines.append(f"warning: up to {undefined:,} resamples have no difference and are left out")
    return lines + _no_better(found)


def _no_better(found: Mapping[str, Any]) -> list[str]:
    """Give a line for each model that is no more accurate than an answer that looks at no image."""
    if not found["trivial"] or "accuracy" not in found["trivial"]["values"]:
        return []
    least = found["trivial"]["values"]["accuracy"]
    return [
        f"warning: {model['name']} is no more accurate than always '{found['trivial']['class']}'"
        for model in found["models"]
        if model["values"]["accuracy"] is not None and model["values"]["accuracy"] <= least
    ]


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"


def _p(value: float | None) -> str:
    return "-" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"
