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
    head = f"{len(models)} models on {found['images']:,} {part} images, each against A"
    text = f"{head}\n\n{_values(found)}"
    for letter, model in list(zip(_letters(len(models)), models, strict=True))[1:]:
        rows = [row for row in found["differences"] if row["model"] == model["name"]]
        text += f"\n{letter} against A:\n" + _differences(rows)
        text += "".join(f"{line}\n" for line in _verdicts(rows))
    return text + "\n" + "".join(f"{printable(line)}\n" for line in _notes(found))


def _values(found: Mapping[str, Any]) -> str:
    """Give a letter for each model, and a row for each metric; the last column is an answer that looks at no image."""
    models, trivial = found["models"], found["trivial"]
    letters = _letters(len(models))
    said = []
    for letter, model in zip(letters, models, strict=True):
        seeds = "" if model["seeds"] == 1 else f", mean of {model['seeds']} seeds"
        said.append(f"{letter}  {model['name']}{seeds}")
    if trivial:
        said.append(f"-  always '{trivial['class']}', as often as in training")
    rows = []
    for name in models[0]["values"]:
        row = [name, *(number(model["values"][name]) for model in models)]
        rows.append(row + ([number(trivial["values"][name])] if trivial else []))
    columns = ["metric", *letters, *(["-"] if trivial else [])]
    return "".join(f"{printable(line)}\n" for line in said) + "\n" + text_table(columns, rows, range(1, len(columns)))


def _letters(count: int) -> list[str]:
    """Give a name of a letter or a few for each of count models: A to Z, then A1 and so on."""
    return [f"{chr(65 + at % 26)}{at // 26 or ''}" for at in range(count)]


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
    count = len(found["differences"])
    units = f"{found['units']:,} {found['unit']}{'' if found['units'] == 1 else 's'}"
    lines = [f"{found['resamples']:,} resamples of {units}, the same for all models"]
    if count > 1:
        lines.append(f"p is corrected for all {count} questions (Holm); no difference shown is not the same as equal")
    seeds = [model["seeds"] for model in found["models"]]
    if max(seeds) == 1:
        lines.append("one seed each: what another seed would change is not in the intervals")
    else:
        lines.append("of means over seeds the intervals hold for other seeds as well (Welch)")
        lines += [_few_seeds(letter, seeds[at]) for at, letter in enumerate(_letters(len(seeds))) if few(seeds[at])]
    if found["part"] == "val":
        lines.append("val chose the weights of each model, which flatters all of them")
    if found["groups_unknown"]:
        lines.append("warning: the data has groups, but those of these images are not known: intervals are too narrow")
    if found["units"] < FEW:
        lines.append(f"warning: {units}, fewer than {FEW}: the intervals are probably too narrow")
    if undefined := max((row["undefined"] for row in found["differences"]), default=0):
        lines.append(f"warning: up to {undefined:,} resamples have no difference and are left out")
    return lines + _no_better(found)


def _few_seeds(letter: str, seeds: int) -> str:
    if seeds == 1:
        return f"{letter}: 1 seed: what another seed of it would change is not in the intervals"
    return f"{letter}: {few(seeds)}"


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
