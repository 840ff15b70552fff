"""Who is like whom: images with the same pixels, copies of each other, and alike; within a part and across parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvrun.audit.look import Note
from cvrun.audit.similar import Near, search

Ints = NDArray[np.int64]
IDENTICAL, COPY, ALIKE = "identical", "copy", "alike"


@dataclass(frozen=True)
class Likeness:
    """Who is like whom among N images in P parts; -1 is nobody.

    Attributes:
        parts: Part of each image, int64 (N,), in [0, P).
        same: Number of the picture that an image shows to the last pixel, int64 (N,); -1: it was not compared, because
            it cannot be read or shows nothing.
        identical: The first other image of the same picture in each part, int64 (N, P).
        copy: Partners whose picture is another one, in a few pixels; pairs are counted in pictures.
        alike: Partners that are more alike than chance explains, and no copies.
    """

    parts: Ints
    same: Ints
    identical: Ints
    copy: Near
    alike: Near


class Pair(NamedTuple):
    """Two images, as rows, and how they are alike.

    Attributes:
        row: An image of the part that stands first.
        other: The image that it is like.
        likeness: identical, copy or alike.
        score: Correlation of their coarse structure.
    """

    row: int
    other: int
    likeness: str
    score: float


def likeness(notes: Note, labels: Ints, parts: Ints, num_parts: int) -> Likeness:
    """Compare images.

    Args:
        notes: NOTE (N,).
        labels: Class of each, int64 (N,).
        parts: Part of each, int64 (N,).
        num_parts: P.
    """
    compared = np.flatnonzero((notes["reason"] == b"") & ~notes["empty"])
    same = np.full(len(notes), -1, np.int64)
    _, same[compared] = np.unique(notes["pixels"][compared], return_inverse=True)
    # One image of each picture and part stands for all.
    place, first, member = np.unique(
        same[compared] * num_parts + parts[compared], return_index=True, return_inverse=True
    )
    stands = compared[first]
    table = np.full((same.max(initial=-1) + 2, num_parts), -1, np.int64)
    table[place // num_parts, place % num_parts] = stands
    identical = table[same]
    rows = np.arange(len(notes))
    own = identical[rows, parts]
    identical[rows, parts] = np.where(own == rows, -1, own)
    found = search(notes[stands], labels[stands], parts[stands], num_parts, same[stands])
    copy, alike = (_for_all(near, len(notes), compared, member, stands) for near in found)
    return Likeness(parts, same, identical, copy, alike)


def across(like: Likeness, part: int, other: int) -> list[Pair]:
    """Give the images of one part that are in another one as well, most alike first, each once."""
    return _pairs(like, part, other, (IDENTICAL, COPY))


def within(like: Likeness, part: int) -> list[Pair]:
    """Give the images of a part that are identical to, or a copy of, one before them there, each once."""
    return [pair for pair in _pairs(like, part, part, (IDENTICAL, COPY)) if pair.other < pair.row]


def alike(like: Likeness, part: int, other: int) -> list[Pair]:
    """Give the images of a part with the one of another that is most alike, without copies; each pair once."""
    found = _pairs(like, part, other, (ALIKE,))
    return list({(min(pair[:2]), max(pair[:2])): pair for pair in reversed(found)}.values())[::-1]


def conflicts(like: Likeness, labels: Ints, parts: Sequence[int]) -> Iterator[Ints]:
    """Give the rows of each picture that has more than one label in some parts, int64 (n,)."""
    compared = np.flatnonzero((like.same >= 0) & np.isin(like.parts, parts))
    order = compared[np.argsort(like.same[compared], kind="stable")]
    picture = like.same[order]
    for rows in np.split(order, np.flatnonzero(np.diff(picture)) + 1):
        if len(rows) > 1 and len(np.unique(labels[rows])) > 1:
            yield rows


def _pairs(like: Likeness, part: int, other: int, kinds: tuple[str, ...]) -> list[Pair]:
    found = []
    tables = {
        IDENTICAL: (like.identical, np.ones(like.identical.shape, np.float32)),
        COPY: (like.copy.partner, like.copy.score),
        ALIKE: (like.alike.partner, like.alike.score),
    }
    taken = np.zeros(len(like.parts), np.bool_)
    for kind in kinds:
        partner, score = tables[kind]
        rows = np.flatnonzero((like.parts == part) & ~taken & (partner[:, other] >= 0))
        taken[rows] = True
        rows = rows[np.argsort(-score[rows, other], kind="stable")]
        found += [Pair(i, int(partner[i, other]), kind, float(score[i, other])) for i in rows.tolist()]
    return found


def _for_all(near: Near, count: int, compared: Ints, member: Ints, stands: Ints) -> Near:
    """Give partners as rows, for every image instead of those that stand for others."""
    num_parts = near.partner.shape[1]
    partner = np.full((count, num_parts), -1, np.int64)
    score = np.zeros((count, num_parts), np.float32)
    other = near.partner[member]
    partner[compared] = np.where(other >= 0, stands[other], -1)
    score[compared] = near.score[member]
    return Near(partner, score, near.pairs)
