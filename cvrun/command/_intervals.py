"""How sure the metrics of an evaluation are: 95% intervals over images, or over groups where the images have any."""

from __future__ import annotations

import argparse
import csv
import math
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun import bootstrap
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.interval import rate
from cvrun.metric import Metric, Prediction
from cvrun.metric._exact import exact

MOST = 1_000_000
"""Resamples beyond which nothing changes but the time."""


_RANKING = ("roc_auc", "mean_average_precision")
"""Metrics whose cost of a resample grows with images times classes, some 10 ns each on one thread."""

_MOST_RANKED = 2 * 10**9
"""[images x classes x resamples] Beyond which they have no interval: it would take minutes."""


def too_slow(name: str, images: int, classes: int, resamples: int) -> bool:
    """Give whether resamples of a metric would take minutes."""
    return name in _RANKING and images * classes * resamples > _MOST_RANKED


def add_resamples(parser: argparse.ArgumentParser) -> None:
    """Let a command take --resamples."""
    about = f"of the bootstrap for 95%% intervals; 0: none but that of accuracy; default: {bootstrap.RESAMPLES:,}"
    parser.add_argument("--resamples", type=_resamples, default=bootstrap.RESAMPLES, metavar="N", help=about)


def clusters_of(groups: Sequence[str] | None) -> NDArray[np.int64] | None:
    """Give the number of the group of each image, int64 (N,); None where each image is one of its own.

    Args:
        groups: Of each image; an image whose group is empty is in none.
    """
    if groups is None:
        return None
    # What is in no group is a group of its own, whose name no other has.
    named = [(group, -1) if group else ("", number) for number, group in enumerate(groups)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(named))}
    return np.array([numbers[name] for name in named], np.int64) if len(numbers) < len(named) else None


def saved_clusters(folder: RunFolder, ids: Sequence[str], part: str = "val") -> NDArray[np.int64] | None:
    """Give the same for images of a run by their names; None where their groups are not known.

    Those of train and val are in its data.csv. Those of test images are written down when the test set is opened,
    beside what was predicted for it.
    """
    try:
        if part == "test":
            with np.load(folder.predictions / "test.npz", allow_pickle=False) as file:
                groups = dict(zip(file["ids"].tolist(), file["groups"].tolist(), strict=True))
        else:
            with folder.data.open(newline="", encoding="utf-8") as table:
                groups = {row["id"]: row["group"] or "" for row in csv.DictReader(table)}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, csv.Error):
        return None
    return clusters_of([groups.get(id, "") for id in ids])


def uncertainty(
    prediction: Prediction, metrics: Sequence[Metric], clusters: NDArray[np.int64] | None, resamples: int
) -> dict[str, Any]:
    """Give the 95% interval of each metric, and how they came about, as plain values.

    That of accuracy, or of subset_accuracy where an image has any number of labels, is Wilson's; all others are BCa
    intervals of the bootstrap. Where images are in groups, groups are what is independent.

    Args:
        prediction: Of a split.
        metrics: Of which.
        clusters: What clusters_of gives.
        resamples: Of the bootstrap; 0: none.

    Returns:
        `intervals`: metric -> [low, high], None where there is none, which is also where all resamples agree: then the
        images do not show how far it varies. `uncertainty`: confidence, unit (image or group), units, resamples,
        undefined, metric -> how many resamples had no value, where some had none, percentile, the metrics whose
        interval is one of percentiles, because no BCa interval exists, and slow, those left out for their time.
    """
    units = len(prediction.targets) if clusters is None else int(clusters.max()) + 1
    rates = "subset_accuracy" if prediction.several else "accuracy"
    size = len(prediction.targets), prediction.num_classes, resamples
    slow = [metric.name for metric in metrics if too_slow(metric.name, *size)]
    wanted = [m for m in metrics if m.name not in (rates, *slow)] if resamples and units > 1 else []
    functions = {metric.name: _of(metric, prediction) for metric in wanted}
    drawn = bootstrap.intervals(functions, len(prediction.targets), resamples, clusters=clusters)
    found: dict[str, list[float] | None] = {}
    for metric in metrics:
        ends = drawn.get(metric.name)
        if metric.name == rates and units:
            right = exact(prediction)
            ends = bootstrap.Interval(*rate(right, np.ones_like(right), clusters))
        known = ends is not None and says_something(ends) and not math.isnan(metric.compute(prediction))
        found[metric.name] = [ends.low, ends.high] if ends is not None and known else None
    undefined = {name: ends.undefined for name, ends in drawn.items() if ends.undefined}
    plain = [name for name, ends in drawn.items() if not ends.corrected and found[name] is not None]
    more = {"rate": rates} if prediction.several else {}
    how = {"confidence": 0.95, "unit": "image" if clusters is None else "group", "units": units, **more}
    return {
        "intervals": found,
        "uncertainty": {**how, "resamples": resamples, "undefined": undefined, "percentile": plain, "slow": slow},
    }


def _of(metric: Metric, prediction: Prediction) -> bootstrap.Function:
    return lambda weights: metric.values(prediction, weights)


def says_something(ends: bootstrap.Interval) -> bool:
    """Give whether there is an interval; where all resamples agree, they do not show how far a number varies."""
    return math.isfinite(ends.low) and math.isfinite(ends.high) and ends.low < ends.high


def _resamples(word: str) -> int:
    number = int(word) if word.isdecimal() else -1
    if not (number == 0 or 100 <= number <= MOST):
        rule = f"expected 0, or a number from 100 to {MOST:,}"
        raise ConfigError(f"--resamples {word}: {rule}", "ends of 95% intervals need a thousand or more")
    return number


def pairs_of(intervals: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Give intervals by the full name of their metric, such as val/accuracy."""
    return {f"{prefix}/{name}": ends for name, ends in intervals.items()}
