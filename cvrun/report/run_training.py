"""How a run was trained: loss, scores and learning rate over the epochs, and whether it fits too closely."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from cvrun.report.charts import Axes, Series, line_chart
from cvrun.report.page import Html, Section, paragraph, side_by_side, table
from cvrun.report.run_record import RunRecord
from cvrun.report.score import interval_of
from cvrun.report.summary import number
from cvrun.report.verdict import RULE, verdict

_MOST_ROWS = 60
_BESIDE = ("val/accuracy", "val/balanced_accuracy", "val/macro_f1")
_SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc")


def training(record: RunRecord) -> Section:
    """Give the section of the curves."""
    rows = record.rows
    if not any("epoch" in row for row in rows):
        return Section("training", "Training", [paragraph("The run has no records yet.")])
    marks = _best(record)
    names = [name for name in dict.fromkeys((record.monitor, *_BESIDE)) if name and name != "val/loss"]
    scores = [each for each in (_series(rows, name) for name in names) if each.y]
    losses = [each for each in (_series(rows, "train/loss"), _series(rows, "val/loss")) if each.y]
    figures = []
    if losses:
        data = _numbers("Loss", rows, [each.name for each in losses])
        figures.append(line_chart("loss", "Loss", losses, Axes("epoch", "loss"), data, marks=marks))
    if scores:
        data = _numbers("Validation scores", rows, [each.name for each in scores])
        axes = Axes("epoch", "score")
        figures.append(line_chart("scores", "Validation scores", scores, axes, data, marks=marks))
    rate = _series(rows, "train/lr")
    if rate.y:
        data = _numbers("Learning rate", rows, ["train/lr"])
        axes = Axes("epoch", "learning rate")
        figures.append(line_chart("lr", "Learning rate", [rate], axes, data))
    note = (
        "The training loss is a mean over an epoch's steps, of augmented images and of weights that still change; the "
    )
    note += "validation loss is that of the weights at its end."
    return Section("training", "Training", [paragraph(note, "quiet"), side_by_side(figures)])


def fit(record: RunRecord) -> Section:
    """Give the section that says whether the run fits too closely: by a score, in [0, 1], of both parts."""
    monitored = record.monitor.removeprefix("val/")
    name = monitored if monitored in _SCORES else "accuracy"
    train, val = record.metric("train", name), record.metric("val", name)
    if val is None:
        body = [paragraph("Not known: the run has no evaluation of its validation images.")]
    elif train is None:
        said = "Not known: the score of these weights on the training images has not been measured. "
        body = [paragraph(said + f"`{_measured_by(record)}` measures it.")]
    elif _of_other_weights(record):
        said = "Not known: the training images were evaluated with the weights of another step. "
        body = [paragraph(said + f"`{_measured_by(record)}` measures those of these weights.")]
    else:
        interval = interval_of(record, "val", name)
        found = verdict(train, val, interval[1] if interval else None)
        said = {"neither": "No sign of over-fitting or under-fitting"}.get(found, f"Verdict: {found}")
        cells = [["training", number(train)], ["validation", number(val)], ["gap", number(train - val)]]
        line = paragraph(f"{said}.", "lead good" if found == "neither" else "lead bad")
        body = [line, table(f"{name} of both parts", ["part", name], cells, right=(1,))]
    return Section("fit", "Over-fitting and under-fitting", [*body, *_loss_line(record.rows), paragraph(RULE, "quiet")])


def _measured_by(record: RunRecord) -> str:
    return f"cvrun eval {shlex.quote(record.path)} --split train"


def _of_other_weights(record: RunRecord) -> bool:
    """Give whether the evaluation of the training images is known to be of another step than that of validation."""
    train, val = (record.evaluated[part].get("step") for part in ("train", "val"))
    val = record.status.get("best_step") if val is None else val
    return train is not None and val is not None and train != val


def _loss_line(rows: Sequence[Mapping[str, Any]]) -> list[Html]:
    found = _series(rows, "val/loss")
    if len(found.y) < 2:
        return []
    low = min(range(len(found.y)), key=found.y.__getitem__)
    where = f"Validation loss is lowest at epoch {found.x[low]:.1f}, {number(found.y[low])}"
    return [paragraph(f"{where}, and {number(found.y[-1])} at the last evaluation, epoch {found.x[-1]:.1f}.")]


def _series(rows: Sequence[Mapping[str, Any]], name: str) -> Series:
    points = [(row["epoch"], row[name]) for row in rows if _is_number(row.get(name)) and _is_number(row.get("epoch"))]
    return Series(name, [float(x) for x, _ in points], [float(y) for _, y in points])


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _best(record: RunRecord) -> list[tuple[float, str]]:
    step = record.status.get("best_step")
    rows = [row for row in record.rows if row.get("step") == step and _is_number(row.get("epoch"))]
    return [(float(row["epoch"]), "best") for row in rows][:1]


def _numbers(caption: str, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Html:
    known = [row for row in rows if _is_number(row.get("epoch")) and any(_is_number(row.get(name)) for name in names)]
    every = max(1, -(-len(known) // _MOST_ROWS))
    kept = known[::-1][::every][::-1]
    cells = [[f"{row.get('epoch', 0):.2f}", *(_value(row.get(name)) for name in names)] for row in kept]
    thinned = f"{caption}: {len(kept)} of {len(known)} points" if len(kept) < len(known) else caption
    return table(thinned, ["epoch", *names], cells, right=range(len(names) + 1))


def _value(value: Any) -> str:
    return f"{value:.4g}" if _is_number(value) else "-"
