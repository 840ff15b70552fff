"""The validation images of a run by group, by the columns of its split, and by those that are asked for."""

from __future__ import annotations

import csv
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cvrun.audit.suspects import read as read_predictions
from cvrun.cells import text_cell
from cvrun.command._closer import GROUP, asked
from cvrun.command._intervals import clusters_of
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.metric import Metric, Prediction
from cvrun.metric._slices import slices
from cvrun.prepare import metrics_of
from cvrun.selection import Selection
from cvrun.yamlfile import load_yaml

Data = Callable[[], tuple[Selection | None, str]]
"""-> The data of the run, or None and why."""

_MOST_GROUPS = 1000
"""With more, their means are left out: each takes an evaluation."""


def slices_of(folder: RunFolder, data: Data, by: Sequence[str]) -> dict[str, Any]:
    """Give `by` (column -> what `metric._slices.slices` gives), `note` and `aggregation`, of the validation images.

    Columns are the group, where the data has groups, what data.stratify_by names, and by.

    Args:
        folder: Of the run; without predictions nothing is given.
        data: Where columns come from; asked only if one is needed.
        by: Further columns.

    Raises:
        ConfigError: If by names none of the data, or the data cannot be read.
        DataError: If the predictions are damaged.
    """
    path = folder.predictions / "val.npz"
    if not path.is_file():
        return {}
    predicted = read_predictions(path)
    prediction = Prediction(predicted.probabilities.astype(np.float32), predicted.labels)
    groups = _groups(folder, predicted.ids)
    clusters = clusters_of(groups)
    values: dict[str, Sequence[str]] = {} if groups is None else {GROUP: groups}
    more, note = _columns(folder, data, predicted.ids, by)
    found = {name: slices(prediction, each, clusters=clusters) for name, each in (values | more).items()}
    metrics = metrics_of(len(predicted.classes))
    return {"by": found, "note": note, "aggregation": aggregation(prediction, groups, metrics)}


def aggregation(prediction: Prediction, groups: Sequence[str] | None, metrics: Sequence[Metric]) -> dict[str, Any]:
    """Give `groups`, the number of them, and `rows`: metric, images (over all at once), mean over groups, undefined.

    The mean counts each group once, whatever its images; undefined is the number of groups in which the metric has no
    value, which are left out. Without groups, or with too many, the last two are None.

    Args:
        prediction: Of a split.
        groups: Of each image, or None.
        metrics: What is measured.
    """
    names = sorted(set(groups)) if groups is not None else []
    each: list[Prediction] = []
    if groups is not None and 1 < len(names) <= _MOST_GROUPS:
        number = {name: i for i, name in enumerate(names)}
        place = np.array([number[group] for group in groups])
        order = np.argsort(place, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(place[order])) + 1):
            each.append(Prediction(prediction.probabilities[rows], prediction.targets[rows]))
    found = []
    for metric in metrics:
        values = np.array([metric.compute(part) for part in each])
        known = values[np.isfinite(values)]
        row = {"metric": metric.name, "images": metric.compute(prediction)}
        row["groups"] = float(known.mean()) if len(known) else None
        found.append({**row, "undefined": len(values) - len(known) if each else None})
    return {"groups": len(names), "rows": found}


def _columns(
    folder: RunFolder, data: Data, ids: Sequence[str], by: Sequence[str]
) -> tuple[dict[str, Sequence[str]], str]:
    """Give column -> the value of each image, and why one of the split's own is missing, where it is."""
    by = [name for name in dict.fromkeys(by) if name != GROUP]
    split = _is_stratified(folder)
    if not by and not split:
        return {}, ""
    selection, why = data()
    if selection is None:
        if by:
            raise ConfigError(f"--by {by[0]}: {why}", "without --by the report needs no data")
        return {}, f"Not by the column of the split: {why}"
    own = [selection.stratum] if selection.stratum is not None else []
    manifest = selection.manifest
    wanted = asked(Namespace(by=[*own, *by], prevalence=[], scatter=False), manifest, manifest.classes).by
    place = {name: i for i, name in enumerate(manifest.ids)}
    return {name: [values[place[each]] for each in ids] for name, values in wanted.items()}, ""


def _is_stratified(folder: RunFolder) -> bool:
    try:
        plan = load_yaml(folder.plan)
    except (OSError, ConfigError):
        return False
    data = plan.get("data") if isinstance(plan, dict) else None
    return isinstance(data, dict) and bool(data.get("strata"))


def _groups(folder: RunFolder, ids: Sequence[str]) -> list[str] | None:
    """Give the group of each image as data.csv has it; None where it has none."""
    try:
        with folder.data.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            known = {row["id"]: row["group"] or "" for row in csv.DictReader(file)}
    except (OSError, KeyError, csv.Error):
        return None
    groups = [known.get(text_cell(name), "") for name in ids]
    return groups if any(groups) else None
