"""A part of the training images, such that a smaller one lies within a larger one: for learning curves."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cvrun.data import Manifest
from cvrun.data._labels import kinds_of, with_label
from cvrun.errors import DataError
from cvrun.split import Indices

_AHEAD = 32
"""[groups] of which the next is chosen; all of many thousands would take minutes."""


def subset(manifest: Manifest, rows: Indices, fraction: float, seed: int) -> Indices:
    """Give round(fraction * N) of rows, int64, ascending, with each class's share to within one image.

    The rows of a smaller fraction are among those of a larger one. Which image comes when depends on seed and its id
    alone, within its class. With groups whole groups are taken, until their images are as near to that number as these
    groups allow.

    Raises:
        DataError: If a class that rows has would lose its last image.
    """
    if fraction == 1:
        return rows
    kinds, _ = kinds_of(manifest)
    size = math.floor(fraction * len(rows) + 0.5)
    if manifest.groups is None:
        names = [manifest.ids[i] for i in rows.tolist()]
        taken = rows[_images(kinds[rows], names, size, seed)]
    else:
        # An image without a group, which only a synthetic one may be, is one by itself.
        groups = [manifest.groups[i] or f"\0{manifest.ids[i]}" for i in rows.tolist()]
        taken = rows[_groups(kinds[rows], groups, size, seed)]
    before, after = with_label(manifest, rows), with_label(manifest, taken)
    lost = np.flatnonzero((before > 0) & (after == 0))
    if len(lost):
        worst = int(lost[np.argmin(before[lost])])
        message = f"data.subset={fraction:g}: {len(taken):,} of {len(rows):,} training images hold none of class"
        called = manifest.classes if manifest.sets is None else manifest.sets.names
        which = f"'{called[worst]}', of which there are {before[worst]}"
        more = f" ({len(lost)} such classes)" if len(lost) > 1 else ""
        raise DataError(f"{message} {which}{more}, expected at least one a class", "take a larger subset")
    return np.sort(taken)


def _draw(seed: int, name: str) -> bytes:
    """Give what a name is sorted by, for a random order that depends on nothing else."""
    return hashlib.blake2b(f"{seed}|subset|{name}".encode(errors="surrogateescape"), digest_size=16).digest()


def _images(labels: Indices, names: Sequence[str], size: int, seed: int) -> Indices:
    """Give the positions of the first size images of an order in which every beginning has each class's share.

    Among the first h of N images are floor or ceil of h * n / N of a class with n. The image j (from 0) of a class may
    come from place floor(j N / n) + 1 on and must have come by place ceil((j + 1) N / n); what is due earliest comes
    first, which keeps both bounds (Balinski and Young, "The quota method of apportionment", 1975: such orders exist;
    earliest due date first finds one of unit jobs).
    """
    order = np.array(sorted(range(len(names)), key=[_draw(seed, name) for name in names].__getitem__), dtype=np.int64)
    order = order[np.argsort(labels[order], kind="stable")]
    ends = np.flatnonzero(np.diff(labels[order])) + 1
    classes = [order[start:end].tolist() for start, end in zip([0, *ends], [*ends, len(order)], strict=True)]
    total = len(names)
    waiting = [(1, k) for k in range(len(classes))]
    ready: list[tuple[int, int]] = []
    given = [0] * len(classes)
    taken: list[int] = []
    for place in range(1, size + 1):
        while waiting and waiting[0][0] <= place:
            _, k = heapq.heappop(waiting)
            heapq.heappush(ready, (-(-(given[k] + 1) * total // len(classes[k])), k))
        _, k = heapq.heappop(ready)
        taken.append(classes[k][given[k]])
        given[k] += 1
        if given[k] < len(classes[k]):
            heapq.heappush(waiting, (given[k] * total // len(classes[k]) + 1, k))
    return np.array(taken, dtype=np.int64)


def _groups(labels: Indices, groups: Sequence[str], size: int, seed: int) -> Indices:
    """Give the positions of whole groups: the beginning of a fixed order of groups, nearest to size images."""
    names, member = np.unique(np.array(groups, dtype=object), return_inverse=True)
    kinds = np.unique(labels, return_inverse=True)[1]
    num_kinds = int(kinds.max()) + 1
    flat = np.bincount(member * num_kinds + kinds, minlength=len(names) * num_kinds)
    counts = flat.reshape(len(names), num_kinds).astype(np.float64)
    drawn = sorted(range(len(names)), key=lambda g: _draw(seed, str(names[g])))
    order = _even(counts, drawn)
    reached = np.cumsum(counts[order].sum(axis=1))
    num_groups = int(np.argmin(np.abs(reached - size))) + 1
    return np.flatnonzero(np.isin(member, order[:num_groups])).astype(np.int64)


def _even(counts: NDArray[np.float64], drawn: Sequence[int]) -> Indices:
    """Give an order of groups in which every beginning comes near the shares of all classes.

    Of the next few that were drawn, the one comes first that leaves the least chi-square distance to those shares.
    """
    whole = counts.sum(axis=0)
    reached = np.zeros_like(whole)
    window, later = list(drawn[:_AHEAD]), iter(drawn[_AHEAD:])
    order = []
    while window:
        sums = reached + counts[window]
        expected = sums.sum(axis=1, keepdims=True) * whole / whole.sum()
        best = int(np.argmin(((sums - expected) ** 2 / whole).sum(axis=1)))
        reached = sums[best]
        order.append(window.pop(best))
        window.extend(group for group in [next(later, None)] if group is not None)
    return np.array(order, dtype=np.int64)
