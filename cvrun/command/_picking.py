"""How much too good the best score of a sweep is, from what its runs predicted for the same validation images."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from cvrun.audit.suspects import Predicted, read
from cvrun.command._intervals import saved_clusters
from cvrun.errors import DataError
from cvrun.folder import RunFolder
from cvrun.metric import Metric, Prediction
from cvrun.optimism import picking, resampled, resamples
from cvrun.prepare import metrics_of
from cvrun.report.sweep import Sweep, SweepRun

_TOLERANCE = 1e-4
"""By which the score of saved predictions may miss the score of their run."""


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
    scores, inside, outside = [], [], []
    for run in ranked:
        prediction = _like(first, _predicted(run))
        if prediction is None or not _gives(metric, prediction, run):
            continue
        within, without = resampled(lambda weights, of=prediction: metric.values(of, weights), parts)  # type: ignore[misc]
        scores.append(metric.compute(prediction))
        inside.append(within)
        outside.append(without)
    if len(scores) < 2:
        return dataclasses.replace(sweep, not_picked="no other run has predictions for the images of the best one")
    return dataclasses.replace(sweep, picking=picking(scores, inside, outside, len(first.ids), ranked[0].mode))


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
