"""How far features lie apart within the classes and between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def scatter(features: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float | None]:
    """Give the scatter of features: within = sum_k n_k/n E|x - m_k|^2, between = sum_k n_k/n |m_k - m|^2.

    These are the traces of the scatter matrices S_w and S_b, as population variances, each class by its share of the
    images; together they are the whole variance. A large between / within means classes that lie apart.

    Source: K. Fukunaga, Introduction to Statistical Pattern Recognition, 2nd ed. (1990), 10.2.

    Args:
        features: float32 (N, D), N >= 1.
        labels: Class indices, int64 (N,).

    Returns:
        within, between, total, and ratio (between / within; None where within is 0).
    """
    wide = features.astype(np.float64)
    mean = wide.mean(axis=0)
    within = between = 0.0
    for label in np.unique(labels):
        inside = wide[labels == label]
        own = inside.mean(axis=0)
        share = len(inside) / len(wide)
        within += share * float(np.square(inside - own).sum(axis=1).mean())
        between += share * float(np.square(own - mean).sum())
    return {
        "within": within,
        "between": between,
        "total": within + between,
        "ratio": between / within if within > 0 else None,
    }
