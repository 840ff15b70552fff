"""Which images of a set are copies of each other, or alike, found by the coarse structure of each.

The coarse structure of an image is the lowest frequencies of its discrete cosine transform (type II; Ahmed, Natarajan
and Rao 1974, as in JPEG) of length 1: the numbers whose signs are the usual 64-bit perceptual hash. The product of two
is their correlation r. Every pair is compared, in blocks of a matrix product, which takes no longer than the distances
of the hashes and loses nothing to the signs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cvrun import rng
from cvrun.audit.look import GREY, Note

COARSE = 8
"""[frequencies] in each direction that are the coarse structure; the others are detail."""

COPY_SHARE = 0.1
"""Of the distance of two images of one class, as it is in the middle: copies differ by less."""

COPY_DETAIL, COPY_COLOUR = 0.3, 0.95
"""Correlations above which detail and colours of copies lie."""

COLOURLESS = 4
"""[levels] Between red, green and blue up to which a picture is grey, whose colours say nothing: JPEG adds a few."""

LEAST_CONTRAST = 1.0
"""[levels] standard deviation below which there is no structure to compare."""

LEAST_PAIRS = 100
"""Below which it cannot be said what is unusual among the pairs of a set."""

ROWS, COLUMNS = 512, 4096
"""[images] of a block of pairs, which bounds the memory."""

_SAMPLE = 50_000
_COPY, _ALIKE = 0, 1

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Limits:
    """Correlations of the coarse structure above which a pair is a candidate: for a copy, and for being alike."""

    copy: float
    alike: float


@dataclass(frozen=True)
class Near:
    """The images that have a partner of one likeness.

    Attributes:
        partner: The most similar image in each part, int64 (N, P); -1: there is none.
        score: Its correlation, float32 (N, P).
        pairs: How many pairs there are between two parts, int64 (P, P), symmetric.
    """

    partner: Ints
    score: Floats
    pairs: Ints


def search(notes: Note, labels: Ints, parts: Ints, num_parts: int, picture: Ints) -> tuple[Near, Near]:
    """Give copies, and what is alike without being a copy.

    Args:
        notes: NOTE (N,).
        labels: Class of each, int64 (N,).
        parts: Part of each, int64 (N,), in [0, num_parts).
        num_parts: P.
        picture: Number of the picture that each shows, int64 (N,); two of the same are no pair.
    """
    near = tuple(_nothing(len(notes), num_parts) for _ in (_COPY, _ALIKE))
    structure = coarse(notes["grey"])
    limits = limits_of(structure, labels)
    for first, second, score in _candidates(structure, min(limits.copy, limits.alike)):
        other = picture[first] != picture[second]
        first, second, score = first[other], second[other], score[other]
        if len(first) == 0:
            continue
        copy = (score > limits.copy) & _verified(notes, first, second)
        for kind, chosen in ((_COPY, copy), (_ALIKE, ~copy & (score > limits.alike))):
            _add(near[kind], first[chosen], second[chosen], score[chosen], parts)
    return near[_COPY], near[_ALIKE]


def _candidates(structure: Floats, least: float) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Give all pairs whose correlation is above least, some at a time: two images, int64 (M,), and it, float32 (M,).

    Images are taken in their order along the direction in which they differ most. Two that are further apart along it
    than unit vectors of that correlation can be need no look.
    """
    if len(structure) == 0:
        return
    _, directions = np.linalg.eigh(structure.T @ structure)
    along = structure @ directions[:, -1]
    order = np.argsort(along, kind="stable")
    along, tensor = along[order], torch.from_numpy(structure[order])
    # A little more, for what rounding may have added.
    reach = math.sqrt(max(2 - 2 * least, 0.0)) + 1e-4
    for a in range(0, len(order), ROWS):
        last = min(a + ROWS, len(order)) - 1
        end = int(np.searchsorted(along, along[last] + reach, side="right"))
        for b in range(a, end, COLUMNS):
            block = tensor[a : last + 1] @ tensor[b : min(b + COLUMNS, end)].T
            rows, columns = torch.nonzero(block > least, as_tuple=True)
            score = block[rows, columns].numpy()
            first, second = rows.numpy() + a, columns.numpy() + b
            once = first < second
            if once.any():
                yield order[first[once]], order[second[once]], score[once]


def coarse(grey: NDArray[np.uint8]) -> Floats:
    """Give the coarse structure of small pictures, uint8 (N, GREY, GREY): float32 (N, COARSE**2 - 1), of length 1.

    It does not depend on brightness and contrast; a picture without any contrast has zeros.
    """
    found = np.zeros((len(grey), COARSE**2 - 1), np.float32)
    for start in range(0, len(grey), COLUMNS):
        some = grey[start : start + COLUMNS]
        low = _cosines(some)[:, :COARSE, :COARSE].reshape(len(some), -1)[:, 1:]
        low[some.reshape(len(some), -1).std(axis=1) < LEAST_CONTRAST] = 0
        found[start : start + COLUMNS] = _of_length_1(low)
    return found


def limits_of(structure: Floats, labels: Ints) -> Limits:
    """Give above which correlations two images of this set are more than two of its images usually are.

    Copies differ by COPY_SHARE of what two images of a class do. What is alike is so beyond chance: with Fisher's
    z = artanh(r), and z of two images of a class spread as its lower half is, fewer than one of all pairs would be.

    Args:
        structure: float32 (N, D).
        labels: int64 (N,).
    """
    first, second = _pairs_of_a_class(labels)
    first, second = _with_structure(structure, first, second)
    if len(first) < LEAST_PAIRS:
        return Limits(1 - COPY_SHARE**2 / 2, math.inf)
    r = np.einsum("nd,nd->n", structure[first], structure[second])
    # Of unit vectors: |a - b|^2 = 2 - 2r.
    distance = COPY_SHARE * math.sqrt(max(2 - 2 * float(np.median(r)), 0.0))
    z = np.arctanh(np.clip(r, -0.999999, 0.999999))
    low, quarter, middle = np.quantile(z, [0.16, 0.25, 0.5])
    spread = max((middle - low) / 0.994, (middle - quarter) / 0.674, 1e-3)
    usual = math.sqrt(2 * math.log(len(structure) * (len(structure) - 1) / 2))
    return Limits(1 - distance**2 / 2, float(np.tanh(middle + spread * usual)))


def _pairs_of_a_class(labels: Ints) -> tuple[Ints, Ints]:
    """Give pairs of images of one class, int64 (M,) each: all where they are few, else a sample."""
    count = len(labels)
    if count * (count - 1) // 2 <= _SAMPLE:
        first, second = np.triu_indices(count, 1)
        same = labels[first] == labels[second]
        return first[same], second[same]
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    starts = np.cumsum(sizes) - sizes
    random = np.random.default_rng(rng.key("audit"))
    first = random.integers(0, count, _SAMPLE)
    of_class = labels[first]
    second = order[starts[of_class] + (random.random(_SAMPLE) * sizes[of_class]).astype(np.int64)]
    return first[first != second], second[first != second]


def _with_structure(structure: Floats, first: Ints, second: Ints) -> tuple[Ints, Ints]:
    has = np.any(structure != 0, axis=1)
    both = has[first] & has[second]
    return first[both], second[both]


def _verified(notes: Note, first: Ints, second: Ints) -> NDArray[np.bool_]:
    """Whether detail, and the colours where both have some, of pairs are those of copies as well, bool (M,)."""
    rows, row = np.unique(first, return_inverse=True)
    columns, column = np.unique(second, return_inverse=True)
    detail = _detail(notes["grey"][rows]) @ _detail(notes["grey"][columns]).T
    colour = _colours(notes["colour"][rows]) @ _colours(notes["colour"][columns]).T
    grey = _is_grey(notes["colour"][rows])[:, None] | _is_grey(notes["colour"][columns])
    same: NDArray[np.bool_] = (detail > COPY_DETAIL) & (grey | (colour > COPY_COLOUR))
    return same[row, column]


def _detail(grey: NDArray[np.uint8]) -> Floats:
    found = _cosines(grey)
    found[:, :COARSE, :COARSE] = 0
    return _of_length_1(found.reshape(len(grey), -1))


def _is_grey(colour: NDArray[np.uint8]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.ptp(colour, axis=3).reshape(len(colour), -1).max(axis=1) <= COLOURLESS
    return found


def _colours(colour: NDArray[np.uint8]) -> Floats:
    flat = colour.reshape(len(colour), -1).astype(np.float32)
    return _of_length_1(flat - flat.mean(axis=1, keepdims=True))


def _cosines(grey: NDArray[np.uint8]) -> Floats:
    """Give the orthonormal cosine transform of each picture, float32 (N, GREY, GREY): a matrix product each way."""
    frequency, place = np.arange(GREY)[:, None], np.arange(GREY)
    basis = np.cos(np.pi * (2 * place + 1) * frequency / (2 * GREY)) * math.sqrt(2 / GREY)
    basis[0] *= math.sqrt(0.5)
    matrix = basis.astype(np.float32)
    found: Floats = matrix @ grey.astype(np.float32) @ matrix.T
    return found


def _of_length_1(rows: Floats) -> Floats:
    scaled: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-6))
    return scaled


def _nothing(count: int, num_parts: int) -> Near:
    partner = np.full((count, num_parts), -1, np.int64)
    return Near(partner, np.zeros((count, num_parts), np.float32), np.zeros((num_parts, num_parts), np.int64))


def _add(near: Near, first: Ints, second: Ints, score: Floats, parts: Ints) -> None:
    """Take in pairs: each image keeps the most similar one of each part, so that memory does not grow with them."""
    count = len(near.pairs)
    found = np.bincount(parts[first] * count + parts[second], minlength=count**2).reshape(count, count)
    near.pairs[:] += found + np.where(np.eye(count, dtype=np.bool_), 0, found.T)
    for image, other in ((first, second), (second, first)):
        # Ascending: of entries for one place the last stays.
        order = np.argsort(score, kind="stable")
        image, other, its = image[order], other[order], score[order]
        better = its > near.score[image, parts[other]]
        image, other, its = image[better], other[better], its[better]
        near.partner[image, parts[other]], near.score[image, parts[other]] = other, its
