"""Makes parts of whole groups more even than a single pass leaves them: groups move, or change places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.split import Indices

_PASSES = 4
_MOST = 1000
"""[groups] Of more, single ones move and no two change places: that takes the square of their number."""


def even(counts: NDArray[np.float64], share: NDArray[np.float64], part: Indices) -> Indices:
    """Give each group a part, with a chi-square distance between the parts and their targets that is no larger.

    Args:
        counts: Images of each class in each group, (G, K); every class occurs.
        share: Share of each part, (P,), > 0.
        part: Part of each group to begin with, int64 (G,).

    Returns:
        Part of each group, int64 (G,); a part that has a group keeps one.
    """
    part = part.copy()
    target = share[:, None] * counts.sum(axis=0)
    # How much each part has too much of each class.
    excess = -target
    np.add.at(excess, part, counts)
    for _ in range(_PASSES):
        changed = False
        for group in range(len(counts)):
            found = _best(counts, target, excess, part, group)
            if found is None:
                continue
            here, (there, other) = part[group], found
            moved = counts[group] - (counts[other] if other is not None else 0.0)
            excess[here] -= moved
            excess[there] += moved
            part[group] = there
            if other is not None:
                part[other] = here
            changed = True
        if not changed:
            break
    return part


def _best(
    counts: NDArray[np.float64],
    target: NDArray[np.float64],
    excess: NDArray[np.float64],
    part: Indices,
    group: int,
) -> tuple[int, int | None] | None:
    """Give where a group is better placed, and the group that takes its place if one does; None: it stays."""
    here = part[group]
    # A row for each part to which it may move alone, then one for each group with which it may change places.
    swaps = np.flatnonzero(part != here) if len(counts) <= _MOST else np.zeros(0, np.int64)
    alone = np.flatnonzero(np.arange(len(target)) != here) if np.count_nonzero(part == here) > 1 else swaps[:0]
    there = np.concatenate([alone, part[swaps]])
    moved = np.concatenate([np.repeat(counts[group][None], len(alone), axis=0), counts[group] - counts[swaps]])
    cost = ((moved - 2 * excess[here]) * moved / target[here]).sum(axis=1)
    cost += ((moved + 2 * excess[there]) * moved / target[there]).sum(axis=1)
    if len(cost) == 0 or cost.min() > -1e-9:
        return None
    best = int(np.argmin(cost))
    return int(there[best]), (int(swaps[best - len(alone)]) if best >= len(alone) else None)
