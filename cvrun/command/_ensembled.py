"""Saved predictions of several runs made one's, and measured beside theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.bootstrap import Function, Interval, intervals
from cvrun.command._ensemble_file import GREEDY, Ensemble, Part
from cvrun.command._intervals import saved_clusters
from cvrun.command._members import Member, Together, predictions, together
from cvrun.ensemble import Selected, greedy
from cvrun.errors import ConfigError, DataError, did_you_mean
from cvrun.metric import Metric, Prediction
from cvrun.prepare import metrics_of

SHOWN = ("accuracy", "loss", "brier", "ece")
"""Metrics that the tables have, beside the one that chooses."""


@dataclass(frozen=True)
class Wanted:
    """What is to be merged, and how.

    Attributes:
        merge: One of cvrun.ensemble.MERGES, or GREEDY.
        part: val or test: whose images are measured.
        tta: Whether what counts are the predictions with each run's test-time augmentation.
        metric: Name of the metric that chooses, on val: models for GREEDY, and the best run.
    """

    merge: str
    part: str
    tta: bool
    metric: str

    def name(self, part: str) -> str:
        """Give the name of the predictions of a part."""
        return f"{part}-tta" if self.tta else part


@dataclass(frozen=True)
class Ensembled:
    """What was found.

    Attributes:
        ensemble: The runs, frozen.
        selected: What greedy selection drew on val; None: nothing was selected.
        together: The predictions that were merged.
        prediction: What came of them.
        metrics: What is measured.
        chosen: The metric that chooses.
        best: Position of the best run.
        scores: Of each run on its own val part; NaN where undefined.
        clusters: Number of the group of each image, int64 (N,); None: there are none, or they are not known.
    """

    ensemble: Ensemble
    selected: Selected | None
    together: Together
    prediction: Prediction
    metrics: tuple[Metric, ...]
    chosen: Metric
    best: int
    scores: tuple[float, ...]
    clusters: NDArray[np.int64] | None

    @property
    def units(self) -> int:
        """What resamples draw from: images, or groups of images."""
        return len(self.together.ids) if self.clusters is None else int(self.clusters.max()) + 1

    def alone(self, position: int) -> Prediction:
        """Give what a run predicted."""
        return Prediction(self.together.probabilities[position], self.together.targets)


def ensembled(runs: Sequence[Member], wanted: Wanted) -> Ensembled:
    """Merge what runs saved.

    Raises:
        ConfigError: If there is no such metric.
        DataError: If predictions are missing or do not belong together, or the metric is undefined on val.
    """
    on_val = [predictions(one.folder, wanted.name("val")) for one in runs]
    found = on_val if wanted.part == "val" else [predictions(one.folder, wanted.name("test")) for one in runs]
    merging = together(found, _hint(wanted))
    metrics = metrics_of(len(merging.classes))
    chosen = _named(wanted.metric, metrics)
    scores = [chosen.compute(Prediction(one.probabilities.astype(np.float32), one.labels)) for one in on_val]
    if all(map(math.isnan, scores)):
        raise DataError(f"--metric {wanted.metric}: undefined on the val images of every run, expected another metric")
    best = max(range(len(runs)), key=lambda at: _gain(scores[at], chosen))
    selected = _selected(together(on_val, _hint(wanted)), chosen) if wanted.merge == GREEDY else None
    picks = [1] * len(runs) if selected is None else selected.picks.tolist()
    parts = tuple(
        Part(one.folder.path, one.run_id, one.step, one.weights, count) for one, count in zip(runs, picks, strict=True)
    )
    ensemble = Ensemble(parts, wanted.merge, wanted.tta, merging.classes)
    used = [each for each, count in zip(merging.probabilities, picks, strict=True) if count]
    prediction = Prediction(ensemble.merge_used(used), merging.targets)
    clusters = saved_clusters(runs[0].folder, merging.ids, wanted.part)
    return Ensembled(ensemble, selected, merging, prediction, metrics, chosen, best, tuple(scores), clusters)


def _named(name: str, metrics: Sequence[Metric]) -> Metric:
    names = [metric.name for metric in metrics]
    if name not in names:
        message = f"--metric {name}: expected one of {', '.join(names)}"
        raise ConfigError(message, did_you_mean(name, names))
    return metrics[names.index(name)]


def _selected(fitting: Together, chosen: Metric) -> Selected:
    def score(probabilities: NDArray[np.float64]) -> float:
        return _gain(chosen.compute(Prediction(probabilities.astype(np.float32), fitting.targets)), chosen)

    return greedy(fitting.probabilities, score)


def _gain(value: float, metric: Metric) -> float:
    """Give a value such that higher is better, and what is undefined the worst."""
    if math.isnan(value):
        return -math.inf
    return value if metric.mode == "max" else -value


def _hint(wanted: Wanted) -> str:
    if wanted.merge == GREEDY:
        return "what is val in one run may be training in another, and greedy selection is fitted on val"
    if wanted.part == "val":
        hint = "what is val in one run may be training in another"
        return f"{hint}; runs on folds can be merged on the test part that they share: --part test"
    return "runs are merged on one test part"


def differences(found: Ensembled) -> list[dict[str, Any]]:
    """Give how the ensemble differs from the best run, a row a metric that the tables have.

    Args:
        found: What ensembled gave.

    Returns:
        metric; difference, ensemble minus best run, NaN where one is undefined; low and high, its 95% interval, of
        resamples of the images (or of their groups) that both share; undefined, the resamples without a difference;
        verdict: better or worse where the interval is on one side of 0, else that no difference is shown.
    """
    shown = [metric for metric in found.metrics if metric.name in SHOWN or metric is found.chosen]
    other = found.alone(found.best)

    def between(metric: Metric) -> Function:
        return lambda weights: metric.values(found.prediction, weights) - metric.values(other, weights)

    images = len(found.together.ids)
    bounds = intervals({metric.name: between(metric) for metric in shown}, images, clusters=found.clusters)
    rows = []
    for metric in shown:
        difference = metric.compute(found.prediction) - metric.compute(other)
        bound = bounds[metric.name]
        about = {"metric": metric.name, "difference": difference, "low": bound.low, "high": bound.high}
        rows.append({**about, "undefined": bound.undefined, "verdict": _verdict(bound, metric)})
    return rows


def _verdict(bound: Interval, metric: Metric) -> str:
    if math.isnan(bound.low + bound.high):
        return "undefined"
    if bound.low <= 0 <= bound.high:
        return "no difference shown"
    return "better" if (bound.low > 0) == (metric.mode == "max") else "worse"
