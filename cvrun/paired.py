"""Paired comparisons: whether two models differ on the same images, and what is left of it after many questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cvrun.rng import key


@dataclass(frozen=True)
class Areas:
    """Two areas under ROC curves on the same images.

    Attributes:
        first: Of the first model, in [0, 1].
        second: Of the second.
        low: Lower bound of second - first.
        high: Upper bound.
        p: Two-sided, of the hypothesis that both are the same.
    """

    first: float
    second: float
    low: float
    high: float
    p: float


def mcnemar(first_alone: int, second_alone: int) -> float:
    """Give the exact two-sided p-value of McNemar's test; 1 where the models are right and wrong on the same images.

    Of the images that one model alone has right, each model has half if both are equally good: a sign test.

    Source: Q. McNemar, Psychometrika 12 (1947) 153-157; exact as in A. Agresti, Categorical Data Analysis, 10.1.

    Args:
        first_alone: Images that the first model alone has right.
        second_alone: Images that the second model alone has right.
    """
    from scipy.stats import binomtest

    total = first_alone + second_alone
    return float(binomtest(first_alone, total, 0.5).pvalue) if total else 1.0


def delong(
    positive: NDArray[np.bool_], first: NDArray[np.float64], second: NDArray[np.float64], confidence: float = 0.95
) -> Areas | None:
    """Give the areas under two ROC curves on the same images, and whether they differ; None without both kinds.

    Source: E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845; by midranks as in X. Sun
    and W. Xu, IEEE Signal Processing Letters 21 (2014) 1389-1393.

    Args:
        positive: Whether each image is of the class that is looked for, bool (N,).
        first: Scores of the first model, higher for that class, (N,).
        second: Those of the second.
        confidence: In (0, 1).
    """
    from scipy.stats import rankdata

    found, missed = int(positive.sum()), int((~positive).sum())
    if not found or not missed:
        return None
    scores = np.stack([first, second]).astype(np.float64)
    whole = rankdata(scores, axis=1)
    # Of each positive the share of negatives below it, of each negative the share of positives above.
    above = (whole[:, positive] - rankdata(scores[:, positive], axis=1)) / missed
    below = 1 - (whole[:, ~positive] - rankdata(scores[:, ~positive], axis=1)) / found
    areas = above.mean(axis=1)
    variance = sum(
        float(np.var(part[1] - part[0], ddof=1)) / part.shape[1] for part in (above, below) if part.shape[1] > 1
    )
    difference = float(areas[1] - areas[0])
    normal = NormalDist()
    half = normal.inv_cdf((1 + confidence) / 2) * math.sqrt(variance)
    away = abs(difference) / math.sqrt(variance) if variance > 0 else math.inf if difference else 0.0
    return Areas(float(areas[0]), float(areas[1]), difference - half, difference + half, 2 * normal.cdf(-away))


def bootstrap_p(differences: NDArray[np.float64]) -> float:
    """Give the two-sided p-value of no difference, from resamples' differences, float64 (R,); NaN where none is finite.

    Twice the smaller share of resamples on one side of 0, each side with one resample more, which keeps it above 0.

    Source: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application (1997), 4.2.1 and 5.6.
    """
    known = differences[np.isfinite(differences)]
    if len(known) == 0:
        return math.nan
    # Sums in another order may differ in their last bits.
    tie = np.abs(known) < 1e-12
    sides = [np.count_nonzero((known < 0) | tie), np.count_nonzero((known > 0) | tie)]
    return min(1.0, 2 * (min(sides) + 1) / (len(known) + 1))


def holm(values: Sequence[float]) -> list[float]:
    """Give p-values corrected for their number, so that all wrong findings together have the error of one.

    Those that are NaN stay it, and do not count.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    order = sorted((value, at) for at, value in enumerate(values) if not math.isnan(value))
    found = [math.nan] * len(values)
    least = 0.0
    for rank, (value, at) in enumerate(order):
        least = max(least, min(1.0, value * (len(order) - rank)))
        found[at] = least
    return found


def over_seeds(values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Give the mean over seeds that are drawn with replacement in each resample, float64 (R,).

    Together with resampled images it is the two-stage bootstrap: what varies with other seeds and with other images.

    Source: A. C. Davison and D. V. Hinkley (1997), 3.8.

    Args:
        values: Of each seed's model on each resample, float64 (S, R).
        name: Other draws.
    """
    seeds, resamples = values.shape
    generator = np.random.Generator(np.random.Philox(key(0, "seeds", name, seeds)))
    chosen = generator.integers(0, seeds, size=(seeds, resamples))
    # A single seed is drawn each time.
    drawn: NDArray[np.float64] = np.take_along_axis(values, chosen, axis=0)
    mean: NDArray[np.float64] = drawn.mean(axis=0)
    return mean
