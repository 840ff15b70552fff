"""How much too good the best score of a sweep is, from what its runs predicted for the same validation images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cvrun.audit.suspects import Predicted, read
from cvrun.bootstrap import Function
from cvrun.command._intervals import saved_clusters
from cvrun.errors import DataError, printable
from cvrun.folder import RunFolder
from cvrun.metric import Metric, Prediction
from cvrun.optimism import inside, outside, picking, picks, resamples
from cvrun.prepare import metrics_of
from cvrun.report.picking import picked
from cvrun.report.summary import number
from cvrun.report.sweep import Sweep, SweepRun, sweep_of

_TOLERANCE = 1e-4
"""By which the score of saved predictions may miss the score of their run."""

MOST = 100
"""Runs of an experiment whose predictions a list of runs reads."""


def with_picking(sweep: Sweep) -> Sweep:
    """Give a sweep with what picking its best run comes to, where two runs or more can be compared.

    Runs whose predictions are not there, are of other images or labels, or do not give their score are left out.
    """
    ranked = sweep.ranked
    if len(ranked) < 2:
        return sweep
    first = _predicted(ranked[0])
    if first is None:
        return dataclasses.replace(sweep, not_picked="the best run has no predictions that can be read")
    name = sweep.monitor.rpartition("/")[2]
    metric = next((metric for metric in metrics_of(len(first.classes)) if metric.name == name), None)
    if metric is None:
        return dataclasses.replace(sweep, not_picked=f"{name} is no metric of predictions")
    clusters = saved_clusters(RunFolder(Path(ranked[0].facts["path"])), first.ids)
    parts = resamples(len(first.ids), len(ranked), clusters)
    kept, scores, within = [], [], []
    for run in ranked:
        prediction = _like(first, _predicted(run))
        if prediction is None or not _gives(metric, prediction, run):
            continue
        kept.append(run)
        scores.append(metric.compute(prediction))
        within.append(inside(_scores(metric, prediction), parts))
    if len(kept) < 2:
        return dataclasses.replace(sweep, not_picked="no other run has predictions for the images of the best one")
    without = {}
    # Few of many runs are ever picked, and what the others score outside is not needed.
    for place in sorted(set(picks(within, ranked[0].mode).tolist())):
        prediction = _like(first, _predicted(kept[place]))
        if prediction is None:
            return dataclasses.replace(sweep, not_picked="predictions have changed meanwhile")
        without[place] = outside(_scores(metric, prediction), parts)
    return dataclasses.replace(sweep, picking=picking(scores, within, without, len(first.ids), ranked[0].mode))


def lines_about(runs: Sequence[SweepRun], most: int = MOST) -> list[str]:
    """Give a line for each experiment about its best score, where that is the best of several on the same images.

    Args:
        runs: Of any experiments.
        most: Runs of one experiment whose predictions are read, at most.
    """
    names = dict.fromkeys(run.facts["name"] for run in runs)
    lines = []
    for name in names:
        sweep = sweep_of(Path(), [run for run in runs if run.facts["name"] == name])
        if len(sweep.ranked) < 2:
            continue
        best = f"The best is {sweep.ranked[0].label}, {sweep.monitor} {number(sweep.ranked[0].score)}."
        if len(sweep.ranked) > most:
            why = f"with more than {most:,} runs that takes a while, and cvrun report FOLDER says it"
            lines.append(f"{best} {picked(dataclasses.replace(sweep, not_picked=why))[0]}")
        elif (found := with_picking(sweep)).picking is not None:
            lines.append(f"{best} {picked(found)[0]}")
    return [printable(line) for line in lines]


def _scores(metric: Metric, prediction: Prediction) -> Function:
    return lambda weights: metric.values(prediction, weights)


def _predicted(run: SweepRun) -> Predicted | None:
    try:
        return read(RunFolder(Path(run.facts["path"])).predictions / "val.npz")
    except DataError:
        return None


def _like(first: Predicted, one: Predicted | None) -> Prediction | None:
    """Give predictions in the order of the first; None where images, labels or classes are others."""
    if one is None or one.classes != first.classes or len(one.ids) != len(first.ids):
        return None
    row_of = {name: row for row, name in enumerate(one.ids)}
    if row_of.keys() != set(first.ids):
        return None
    rows = np.array([row_of[name] for name in first.ids], dtype=np.int64)
    if (one.labels[rows] != first.labels).any():
        return None
    return Prediction(one.probabilities[rows].astype(np.float32), first.labels)


def _gives(metric: Metric, prediction: Prediction, run: SweepRun) -> bool:
    """Whether predictions have the score of their run; NaN is none."""
    score = run.score
    return score is not None and abs(metric.compute(prediction) - score) <= _TOLERANCE * max(1.0, abs(score))
