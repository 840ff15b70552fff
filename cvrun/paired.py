"""Paired comparisons: whether two models differ on the same images, and what is left of it after many questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cvrun.interval import t_value


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
    """Give the areas under two ROC curves on the same images, and whether they differ.

    Instead of the normal distribution Student's t is asked, with as many degrees of freedom as the rarer kind leaves:
    the variance is an estimate from its images. None with fewer than two images of a kind, or where both curves are
    such that nothing varies though they differ.

    Source: E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845; by midranks as in X. Sun
    and W. Xu, IEEE Signal Processing Letters 21 (2014) 1389-1393.

    Args:
        positive: Whether each image is of the class that is looked for, bool (N,).
        first: Scores of the first model, higher for that class, (N,).
        second: Those of the second.
        confidence: In (0, 1).
    """
    from scipy.special import stdtr
    from scipy.stats import rankdata

    found, missed = int(positive.sum()), int((~positive).sum())
    if min(found, missed) < 2:
        return None
    scores = np.stack([first, second]).astype(np.float64)
    whole = rankdata(scores, axis=1)
    # Of each positive the share of negatives below it, of each negative the share of positives above.
    above = (whole[:, positive] - rankdata(scores[:, positive], axis=1)) / missed
    below = 1 - (whole[:, ~positive] - rankdata(scores[:, ~positive], axis=1)) / found
    areas = above.mean(axis=1)
    error = math.sqrt(sum(float(np.var(part[1] - part[0], ddof=1)) / part.shape[1] for part in (above, below)))
    difference, freedom = float(areas[1] - areas[0]), min(found, missed) - 1
    if error == 0 and difference != 0:
        return None
    half = t_value(confidence, freedom) * error
    p = float(2 * stdtr(freedom, -abs(difference) / error)) if error > 0 else 1.0
    return Areas(float(areas[0]), float(areas[1]), difference - half, difference + half, p)


def bootstrap_p(differences: NDArray[np.float64], units: int) -> float:
    """Give the two-sided p-value of no difference, from resamples' differences, float64 (R,).

    Twice the smaller share of resamples on one side of 0, each side with one resample more, which keeps it above 0;
    then that of Student's t for so few units, as bootstrap.tail widens an interval. NaN where no difference is finite,
    and with a single unit.

    Source: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application (1997), 4.2.1 and 5.6.

    Args:
        differences: NaN where undefined.
        units: That were resampled.
    """
    from scipy.special import stdtr

    known = differences[np.isfinite(differences)]
    if len(known) == 0 or units < 2:
        return math.nan
    # Sums in another order may differ in their last bits.
    tie = np.abs(known) < 1e-12
    sides = [np.count_nonzero((known < 0) | tie), np.count_nonzero((known > 0) | tie)]
    plain = min(1.0, 2 * (min(sides) + 1) / (len(known) + 1))
    away = -NormalDist().inv_cdf(plain / 2)
    return float(min(1.0, 2 * stdtr(units - 1, -away * math.sqrt((units - 1) / units))))


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


def over_seeds(
    difference: float, over_images: float, units: int, seeds: Sequence[NDArray[np.float64]], confidence: float = 0.95
) -> tuple[float, float, float]:
    """Give low and high of a difference between means over seeds, and the p-value of none; NaN where undefined.

    Its variance is that over images, from resamples, and that of each mean over seeds; Student's t has the degrees of
    freedom that the sum of such variances has.

    Source: B. L. Welch, Biometrika 34 (1947) 28-35; F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114.

    Args:
        difference: Of the means.
        over_images: Its standard deviation over resamples of the images.
        units: That were resampled.
        seeds: The values of each model, one a seed, float64 (S,); the spread of a single one is not known and left out.
        confidence: In (0, 1).
    """
    from scipy.special import stdtr

    parts = [(over_images**2 * units / (units - 1), units - 1)] if units > 1 else []
    parts += [(float(np.var(values, ddof=1)) / len(values), len(values) - 1) for values in seeds if len(values) > 1]
    variance = sum(part for part, _ in parts)
    if units < 2 or not math.isfinite(variance) or math.isnan(difference):
        return math.nan, math.nan, math.nan
    if variance == 0:
        return difference, difference, 1.0 if difference == 0 else math.nan
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    error = math.sqrt(variance)
    half = t_value(confidence, freedom) * error
    return difference - half, difference + half, float(2 * stdtr(freedom, -abs(difference) / error))
