"""Intervals of a share that was counted, and how many cases one of a given width needs; no torch, no scipy."""

from __future__ import annotations

import math
from statistics import NormalDist


def z_value(confidence: float) -> float:
    """Give the z of a two-sided interval: the normal quantile at (1 + confidence) / 2, such as 1.95996 at 0.95.

    Args:
        confidence: In (0, 1).
    """
    return NormalDist().inv_cdf((1 + confidence) / 2)


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
