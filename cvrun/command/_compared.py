"""Models compared on the same images: what each gets, and whether the others differ from the first."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.bootstrap import draws, percentile
from cvrun.command._members import Together
from cvrun.folder import RunFolder
from cvrun.metric import Metric, Prediction
from cvrun.paired import bootstrap_p, delong, holm, mcnemar, over_seeds
from cvrun.report.runs import read_plan
from cvrun.report.seeds import without_seed
from cvrun.report.settings import settings_of

LEVEL = 0.05
"""Below which a corrected p-value counts as a difference."""


@dataclass(frozen=True)
class Model:
    """A configuration, trained once or with several seeds.

    Attributes:
        shown: What it is, in words.
        folders: Of its runs, or of one ensemble.
    """

    shown: str
    folders: tuple[RunFolder, ...]


def by_setting(folders: Sequence[RunFolder]) -> list[list[RunFolder]]:
    """Give runs that differ in nothing but the seed together, in the order of their first; an ensemble is alone."""
    settings: dict[str, list[RunFolder]] = {}
    for folder in folders:
        kept = settings_of(folder)
        kept.pop("seed", None)
        setting = json.dumps([str(folder.path.parent), kept], sort_keys=True, default=str) if kept else str(folder.path)
        settings.setdefault(setting, []).append(folder)
    return list(settings.values())


def models_of(folders: Sequence[RunFolder]) -> list[Model]:
    """Give runs that differ in nothing but the seed as one model; where all are one, each run is a model of its own."""
    groups = by_setting(folders)
    if len(groups) == 1:
        groups = [[folder] for folder in folders]
    names = [_shown(group) for group in groups]
    # A run may be given twice, to see that it does not differ from itself.
    names = [f"{name} ({names[:at].count(name) + 1})" if name in names[:at] else name for at, name in enumerate(names)]
    return [Model(name, tuple(group)) for name, group in zip(names, groups, strict=True)]


def _shown(group: Sequence[RunFolder]) -> str:
    first = group[0].path
    if len(group) == 1:
        return Path(*first.parts[-2:]).as_posix()
    plan = read_plan(group[0])
    words = plan.get("overrides")
    said = without_seed([str(word) for word in words]) if isinstance(words, list) else []
    return " ".join([first.parent.name, *said])


def comparison(
    models: Sequence[Model],
    found: Together,
    metrics: Sequence[Metric],
    clusters: NDArray[np.int64] | None,
    resamples: int,
) -> dict[str, Any]:
    """Give the values of all models and the differences of the others to the first, as plain values.

    All resamples, of images or of groups, are shared. Accuracy of single runs on independent images has McNemar's exact
    test, ROC-AUC of two classes DeLong's with its interval; other metrics of single runs the percentile interval of the
    bootstrap and its p-value. Means over seeds have Welch's interval and test, from the variance over resamples and
    that over the seeds of each model. All p-values are corrected together (Holm).

    Args:
        models: The first is what the others are compared with.
        found: Predictions of the runs of all models, one after another.
        metrics: In order.
        clusters: Number of the group of each image, int64 (N,); None: images are independent.
        resamples: Of the bootstrap.

    Returns:
        `models`: name, runs, seeds and values, metric -> mean over seeds. `differences`: model, metric, first, second,
        difference, interval, test, p, p_corrected and verdict (better, worse or none); None where undefined.
    """
    predicted = [Prediction(each, found.targets) for each in found.probabilities]
    groups = _by_model(models, predicted)
    drawn = _drawn(predicted, metrics, len(found.ids), clusters, resamples)
    told = []
    for model, group in zip(models, groups, strict=True):
        values = {metric.name: float(np.mean([metric.compute(each) for each in group])) for metric in metrics}
        paths = [folder.path.as_posix() for folder in model.folders]
        told.append({"name": model.shown, "runs": paths, "seeds": len(group), "values": values})
    rows = []
    units = len(found.ids) if clusters is None else int(clusters.max()) + 1
    starts = np.cumsum([0, *(len(group) for group in groups)])
    for at in range(1, len(models)):
        for metric in metrics:
            pair = [drawn[metric.name][starts[i] : starts[i + 1]] for i in (0, at)]
            seeds = [np.array([metric.compute(each) for each in groups[i]]) for i in (0, at)]
            tested = _exact(metric.name, groups[0], groups[at]) if clusters is None else None
            tested = {**_tested(pair, seeds, units), **(tested or {})}
            rows.append({"model": models[at].shown, **_row(metric, told[0], told[at]), **tested})
    for row, corrected in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_corrected"] = corrected
        row["verdict"] = _verdict(row)
    return {"models": told, "differences": rows}


def _by_model(models: Sequence[Model], predicted: Sequence[Prediction]) -> list[list[Prediction]]:
    left = iter(predicted)
    return [[next(left) for _ in model.folders] for model in models]


def _drawn(
    predicted: Sequence[Prediction],
    metrics: Sequence[Metric],
    images: int,
    clusters: NDArray[np.int64] | None,
    resamples: int,
) -> dict[str, NDArray[np.float64]]:
    """Give each metric of each prediction on each resample, float64 (M, R)."""
    found: dict[str, list[NDArray[np.float64]]] = {metric.name: [] for metric in metrics}
    for weights in draws(images, resamples, clusters=clusters):
        for metric in metrics:
            found[metric.name].append(np.stack([metric.values(each, weights) for each in predicted]))
    return {name: np.concatenate(parts, axis=1) for name, parts in found.items()}


def _exact(name: str, first: Sequence[Prediction], second: Sequence[Prediction]) -> dict[str, Any] | None:
    """Give what a test that needs no resamples says of two single runs; None where there is no such test."""
    if len(first) > 1 or len(second) > 1:
        return None
    if name == "accuracy":
        right = [each[0].labels == each[0].targets for each in (first, second)]
        alone = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
        return {"test": "McNemar", "p": mcnemar(*alone), "alone": list(alone)}
    if name == "roc_auc" and first[0].num_classes == 2:
        one, other = (each[0].probabilities[:, 1].astype(np.float64) for each in (first, second))
        areas = delong(first[0].targets == 1, one, other)
        if areas is None:
            return {"test": "DeLong", "p": math.nan, "interval": [math.nan, math.nan]}
        return {"test": "DeLong", "p": areas.p, "interval": [areas.low, areas.high]}
    return None


def _row(metric: Metric, first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    one, other = (each["values"][metric.name] for each in (first, second))
    about = {"metric": metric.name, "mode": metric.mode}
    return {**about, "first": one, "second": other, "difference": other - one}


def _tested(drawn: Sequence[NDArray[np.float64]], values: Sequence[NDArray[np.float64]], units: int) -> dict[str, Any]:
    """Give interval, p-value and name of the test of two models, from resamples (S, R) and values (S,) of each seed."""
    apart = drawn[1].mean(axis=0) - drawn[0].mean(axis=0)
    ends = percentile(apart, units=units)
    if len(values[0]) == len(values[1]) == 1:
        p = bootstrap_p(apart, units)
        return {"interval": [ends.low, ends.high], "undefined": ends.undefined, "test": "bootstrap", "p": p}
    known = apart[np.isfinite(apart)]
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else math.nan
    low, high, p = over_seeds(float(values[1].mean() - values[0].mean()), spread, units, values)
    return {"interval": [low, high], "undefined": ends.undefined, "test": "Welch", "p": p}


def _verdict(row: Mapping[str, Any]) -> str:
    """Give better, worse, or none where no difference is shown."""
    if math.isnan(row["p_corrected"]) or row["p_corrected"] >= LEVEL or row["difference"] == 0:
        return "none"
    return "better" if (row["difference"] > 0) == (row["mode"] == "max") else "worse"
