"""Several models as one: their probabilities merged, and which of them are worth merging."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MERGES = ("mean", "gmean", "vote")

LOWEST = float(np.finfo(np.float32).tiny)
"""Probability that counts instead of a smaller one: its logarithm is finite."""

PICKS = 100
"""Models that a selection draws at most, with replacement: finer shares than a hundredth say nothing."""

LEAST_GAIN = 1e-9
"""Gain of a score, relative to it where it is above 1, below which it is no more than rounding."""

Probabilities = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True)
class Selected:
    """What a greedy selection drew.

    Attributes:
        picks: How often each model was drawn, int64 (M,).
        order: The models, in the order in which they were drawn.
        scores: Of the mean of the models drawn so far, after each draw.
    """

    picks: NDArray[np.int64]
    order: tuple[int, ...]
    scores: tuple[float, ...]


def merged(
    probabilities: Sequence[Probabilities], merge: str, weights: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Give the probabilities of several models as one's, float64 (N, K), rows sum to 1.

    "mean" is their mean. "gmean" is their geometric mean in log space, renormalized; what is below LOWEST counts as
    that. "vote" is the share of the models that find each class most probable; where classes tie in a model, the lowest
    index has its vote. cvrun.tta.merge_views merges views in the same ways.

    Args:
        probabilities: Of each model, (N, K), rows sum to 1.
        merge: One of MERGES.
        weights: How much each model counts, >= 0, one of them > 0; None: all the same.

    Raises:
        ValueError: If merge is another word.
    """
    if merge not in MERGES:
        raise ValueError(f"merge={merge}: expected one of {', '.join(MERGES)}")
    whole = [1.0] * len(probabilities) if weights is None else list(weights)
    total = np.zeros(probabilities[0].shape)
    for each, weight in zip(probabilities, whole, strict=True):
        if weight:
            total += weight * _counted(each.astype(np.float64), merge)
    total /= math.fsum(whole)
    if merge != "gmean":
        return total
    raised = np.exp(total - total.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def greedy(probabilities: Sequence[Probabilities], score: Callable[[NDArray[np.float64]], float]) -> Selected:
    """Give the models whose mean scores best, found by adding one after another, with replacement.

    It starts with the best model and adds the one that raises the score of the mean most, a model that is in it or
    another, until none does; so it never ends below the best model. Of equal ones the first is taken.

    Source: R. Caruana et al., Ensemble selection from libraries of models, ICML 2004, sections 2.1 and 2.2.

    Args:
        probabilities: Of each model on the images that it is fitted on, (N, K).
        score: Gives how good probabilities (N, K) are, higher is better; -inf where that is undefined.

    Raises:
        ValueError: If no model has a score.
    """
    total, order, scores = np.zeros(probabilities[0].shape), list[int](), list[float]()
    while len(order) < PICKS:
        found = [score((total + each) / (len(order) + 1)) for each in probabilities]
        best = max(range(len(found)), key=found.__getitem__)
        if found[best] == -math.inf:
            break
        if scores and not found[best] > scores[-1] + LEAST_GAIN * max(abs(scores[-1]), 1.0):
            break
        total += probabilities[best]
        order.append(best)
        scores.append(found[best])
    if not order:
        raise ValueError("no model has a score")
    picks = np.bincount(order, minlength=len(probabilities)).astype(np.int64)
    return Selected(picks, tuple(order), tuple(scores))


def agreed(probabilities: Sequence[Probabilities]) -> int:
    """Give on how many images all models find the same class most probable; the lowest index wins a tie."""
    labels = np.stack([each.argmax(axis=1) for each in probabilities])
    return int(np.count_nonzero((labels == labels[0]).all(axis=0)))


def _counted(probabilities: NDArray[np.float64], merge: str) -> NDArray[np.float64]:
    """Give what is averaged over the models."""
    if merge == "mean":
        return probabilities
    if merge == "gmean":
        logarithms: NDArray[np.float64] = np.log(np.maximum(probabilities, LOWEST))
        return logarithms
    votes = np.zeros_like(probabilities)
    votes[np.arange(len(votes)), probabilities.argmax(axis=1)] = 1.0
    return votes
