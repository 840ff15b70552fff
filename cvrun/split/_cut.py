"""Cuts a part of a given size out of rows at random, with each class's share of it where that is wanted.

The draws are those of scikit-learn's train_test_split (1.9), to the bit: a split is as it was when scikit-learn made
it, without the half second that its import takes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def cut(
    rows: Indices, size: int, seed: int, labels: Indices | None, strata: Indices | None = None
) -> tuple[Indices, Indices]:
    """Give what is left of rows, and the part that was cut out of them, both in an order that was drawn.

    Args:
        rows: int64 (N,).
        size: Of the part, 0 < size < N.
        seed: Of the draws, below 2**32.
        labels: Class of each row, int64 (N,), for a part with each class's share; None draws from all alike.
        strata: Of each row, int64 (N,): within each class every stratum gives its share as well, and the counts of
            the classes stay what they are without. None: no such.
    """
    random = np.random.RandomState(seed)
    if labels is None:
        order = random.permutation(len(rows))
        return rows[order[size:]], rows[order[:size]]
    _, member = np.unique(labels, return_inverse=True)
    counts = np.bincount(member)
    kept = _quotas(counts, len(rows) - size, random)
    taken = _quotas(counts - kept, size, random)
    left, part = [], []
    each = np.split(np.argsort(member, kind="stable"), np.cumsum(counts)[:-1])
    for places, keep, take in zip(each, kept, taken, strict=True):
        if strata is not None and 0 < take < len(places):
            drawn = np.concatenate(cut(places, int(take), int(random.randint(2**31)), strata[places]))
        else:
            drawn = places[random.permutation(len(places))]
        left.append(drawn[:keep])
        part.append(drawn[keep : keep + take])
    return rows[random.permutation(np.concatenate(left))], rows[random.permutation(np.concatenate(part))]


def _quotas(counts: Indices, total: int, random: np.random.RandomState) -> Indices:
    """Share total out among classes by counts, int64 (K,): largest remainders first, drawn where they are equal."""
    exact = counts / counts.sum() * total
    quota = np.floor(exact)
    missing = int(total - quota.sum())
    remainder = exact - quota
    for value in np.unique(remainder)[::-1]:
        if missing <= 0:
            break
        equal = np.flatnonzero(remainder == value)
        chosen = random.choice(equal, size=min(len(equal), missing), replace=False)
        quota[chosen] += 1
        missing -= len(chosen)
    shares: Indices = quota.astype(np.int64)
    return shares
