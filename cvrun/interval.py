"""Intervals of a share that was counted, also in clusters, and how many cases one of a given width needs."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEW = 50
"""[independent units] With fewer, the usual intervals are too narrow too often (R. El Jurdi and O. Colliot, How precise
are performance estimates for typical medical image segmentation tasks?, arXiv 2307.10926, 2023)."""


def z_value(confidence: float) -> float:
    """Give the z of a two-sided interval: the normal quantile at (1 + confidence) / 2, such as 1.95996 at 0.95.

    Args:
        confidence: In (0, 1).
    """
    return NormalDist().inv_cdf((1 + confidence) / 2)


def t_value(confidence: float, freedom: float) -> float:
    """Give the t of a two-sided interval: Student's quantile at (1 + confidence) / 2.

    Args:
        confidence: In (0, 1).
        freedom: Degrees of freedom, > 0.
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


def wilson(hits: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Give the score interval of hits out of total, (low, high) in [0, 1]; (0, 1) where nothing was counted.

    Unlike p +- z * sqrt(p (1 - p) / n) it stays within [0, 1], and has a width at 0 and at 1.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927) 209-212.

    Args:
        hits: 0 <= hits <= total.
        total: Independent cases.
        confidence: In (0, 1).
    """
    if total == 0:
        return 0.0, 1.0
    return wilson_of(hits / total, total, confidence)


def wilson_of(share: float, total: float, confidence: float = 0.95) -> tuple[float, float]:
    """Give the score interval of a share of total cases, as wilson does.

    Args:
        share: In [0, 1].
        total: Independent cases, > 0.
        confidence: In (0, 1).
    """
    z = z_value(confidence)
    scale = 1 + z * z / total
    centre = (share + z * z / (2 * total)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # At 0 and 1 the ends are these exactly, but for the last bit.
    return max(centre - half, 0.0) if share > 0 else 0.0, min(centre + half, 1.0) if share < 1 else 1.0


def rate(
    hit: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    clusters: NDArray[np.int64] | None = None,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Give the score interval of the share of hits among the counted units; (0, 1) where none is counted.

    Units in clusters, such as the images of a patient, say less than as many independent ones: the variance is that of
    a ratio of sums over clusters, and the interval that of as many independent units as would have it, fewer where
    clusters are few, never more than there are. Where nothing varies between clusters, each counts as one unit.

    Source: W. G. Cochran, Sampling Techniques, 3rd ed. (1977), chapters 6 (ratios) and 9A (clusters); the number of
    units as in E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193-201, with Wilson's interval for theirs.

    Args:
        hit: Whether each unit is one, bool (N,).
        counted: Whether it is in the denominator, bool (N,).
        clusters: Number of its cluster, int64 (N,), from 0 on; None: all are independent.
        confidence: In (0, 1).
    """
    total = int(counted.sum())
    hits = int((hit & counted).sum())
    if total == 0 or clusters is None:
        return wilson(hits, total, confidence)
    # Every command reads this module, and most need no arrays.
    import numpy as np

    cases = np.bincount(clusters, counted)
    found = np.bincount(clusters, hit & counted)[cases > 0]
    cases = cases[cases > 0]
    number = len(cases)
    share = hits / total
    if number == 1 or hits in (0, total):
        return wilson_of(share, number, confidence)
    variance = number / (number - 1) * float(((found - share * cases) ** 2).sum()) / total**2
    independent = share * (1 - share) / variance if variance > 0 else float(number)
    few = (z_value(confidence) / t_value(confidence, number - 1)) ** 2
    return wilson_of(share, min(max(independent * few, 1.0), total), confidence)


def cases_needed(share: float, half_width: float, confidence: float = 0.95) -> int:
    """Give the independent cases at which a share is known to +- half_width: z^2 p (1 - p) / w^2, rounded up.

    Source: the normal (Wald) interval solved for n, as in W. G. Cochran, Sampling Techniques, 3rd ed. (1977), 4.4.

    Args:
        share: Expected, in (0, 1).
        half_width: > 0.
        confidence: In (0, 1).
    """
    z = z_value(confidence)
    # A whole number of cases may come out a last bit too large.
    return math.ceil(z * z * share * (1 - share) / (half_width * half_width) - 1e-9)


def design_effect(cluster_size: float, icc: float) -> float:
    """Give the factor by which cases in clusters have to be more than independent ones: 1 + (m - 1) rho.

    Source: L. Kish, Survey Sampling (1965), 5.4.

    Args:
        cluster_size: m >= 1, the mean number of cases a cluster, such as images a patient.
        icc: rho in [0, 1], the correlation of two cases of one cluster.
    """
    return 1 + (cluster_size - 1) * icc
