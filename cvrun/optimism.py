"""Optimism of a pick: by how much the best of N scores on the same images is better than the pick is on others.

Each resample picks again, on the images that are in it, and the pick is scored on the images that are not: those have
not chosen it. The mean of these scores is what a pick comes to; it is a little low where one model is clearly the best,
since a resample has fewer images to find it by.

Scoring each pick on all images instead, as the bootstrap of Efron and Tibshirani (An Introduction to the Bootstrap,
1993, chapter 17) does, finds 1 / sqrt(2) of the optimism where all models are equally good: all images have chosen too.

Source: I. Tsamardinos, E. Greasidou and G. Borboudakis, Bootstrapping the out-of-sample predictions for efficient and
accurate cross-validation, Machine Learning 107 (2018) 1895-1922 (BBC-CV). The question is that of R. J. Tibshirani and
R. Tibshirani, A bias correction for the minimum error rate in cross-validation, Annals of Applied Statistics 3 (2009).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cvrun.bootstrap import Function

RESAMPLES = 500
"""How many are drawn."""

LEAST = 50
"""How many are drawn where many models have many images."""

_WEIGHTS = 250_000_000
"""[weights] That all models together are scored with, at most, unless that leaves fewer than LEAST resamples."""


@dataclass(frozen=True)
class Picking:
    """What picking the best of several models comes to.

    Attributes:
        models: How many there were.
        units: Images.
        score: The best score, on all images.
        expected: Mean score of a pick on images that did not choose it; NaN where no resample has one.
        optimism: By how much the best score is better than that, in the metric's unit, whichever direction is better.
        resamples: That expected is the mean of.
        undefined: Resamples that are left out: no model has a score in them, or their pick has none outside.
    """

    models: int
    units: int
    score: float
    expected: float
    optimism: float
    resamples: int
    undefined: int


def resamples(units: int, models: int, clusters: NDArray[np.int64] | None = None) -> list[NDArray[np.uint16]]:
    """Give resamples to score all models on, in parts: how often each unit counts, uint16 (r, N).

    Args:
        units: N.
        models: How many are to be scored.
        clusters: As in bootstrap.draws.
    """
    # It imports torch, and a report of what was found needs none.
    from cvrun.bootstrap import draws

    count = min(max(_WEIGHTS // max(units * models, 1), LEAST), RESAMPLES)
    return [weights.astype(np.uint16) for weights in draws(units, count, clusters=clusters)]


def inside(function: Function, parts: Sequence[NDArray[np.uint16]]) -> NDArray[np.float64]:
    """Give the scores of a model on the images in each resample, float64 (R,).

    Args:
        function: Of its score.
        parts: What resamples gives.
    """
    return np.concatenate([function(counts.astype(np.float64)) for counts in parts])


def outside(function: Function, parts: Sequence[NDArray[np.uint16]]) -> NDArray[np.float64]:
    """Give the same on the images that are not in each resample."""
    return np.concatenate([function((counts == 0).astype(np.float64)) for counts in parts])


def picks(within: Sequence[NDArray[np.float64]], mode: str) -> NDArray[np.int64]:
    """Give the position of the best model in each resample, int64 (R,); of several the first.

    Args:
        within: Of each model, what inside gives; NaN is never the best.
        mode: "max" or "min": which scores are better.
    """
    found = np.stack(within) * _sign(mode)
    chosen: NDArray[np.int64] = np.where(np.isnan(found), -math.inf, found).argmax(axis=0)
    return chosen


def picking(
    scores: Sequence[float],
    within: Sequence[NDArray[np.float64]],
    without: Mapping[int, NDArray[np.float64]],
    units: int,
    mode: str,
) -> Picking:
    """Give what picking the best of some models comes to.

    Args:
        scores: Of each model on all images, at least one of them a number.
        within: Of each model, what inside gives; NaN where undefined.
        without: Position of each model that is picked -> what outside gives.
        units: Images.
        mode: "max" or "min": which scores are better.
    """
    chosen = picks(within, mode)
    values = np.array([without[pick][i] for i, pick in enumerate(chosen.tolist())])
    known = values[~np.isnan(np.stack(within)).all(axis=0) & ~np.isnan(values)]
    sign = _sign(mode)
    best = sign * float(np.nanmax(sign * np.asarray(scores)))
    expected = float(known.mean()) if len(known) else math.nan
    undefined = len(values) - len(known)
    return Picking(len(scores), units, best, expected, sign * (best - expected), len(known), undefined)


def _sign(mode: str) -> float:
    return 1.0 if mode == "max" else -1.0
