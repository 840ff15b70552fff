"""Bootstrap: between which bounds a number would lie on other images of the same kind, from resamples of those here.

A resample is a row of weights: how often each unit counts. The same arguments give the same weights, so two models on
the same images are compared on the same resamples.

Source: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapters 6, 13 and 14.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cvrun.interval import t_value
from cvrun.rng import key

RESAMPLES = 2000
"""How many are usual where ends of 95% intervals are wanted (Efron and Tibshirani, 14.3, ask for 1,000 at least)."""

BLOCKS = 200
"""Parts that a jackknife leaves out, one at a time; leaving out single images would cost more than all resamples."""

_AT_ONCE = 1 << 20
"""[weights] That lie in memory together."""

_LEAST_TAIL = 1e-9
"""Below any share of resamples there are; its normal quantile is finite."""

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Weights (R, N) -> a number for each row, float64 (R,), NaN where it is undefined."""


@dataclass(frozen=True)
class Interval:
    """Bounds of a number.

    Attributes:
        low: NaN where there is none.
        high: NaN where there is none.
        undefined: Resamples without a finite number, which are left out.
        corrected: Whether it is a BCa interval, not one of percentiles.
    """

    low: float
    high: float
    undefined: int = 0
    corrected: bool = False


def draws(
    units: int,
    count: int,
    seed: int = 0,
    clusters: NDArray[np.int64] | None = None,
    at_once: int = _AT_ONCE,
) -> Iterator[NDArray[np.float64]]:
    """Give count resamples, some at a time: weights, float64 (r, units), how often each unit was drawn.

    Units are drawn with replacement, as many as there are; where they are in clusters (all images of a patient, say),
    clusters are drawn, as many as there are, and all units of each with it.

    Args:
        units: N.
        count: Of resamples.
        seed: Other weights.
        clusters: Number of the cluster of each unit, int64 (N,), from 0 on, each with a unit; None: each is its own.
        at_once: [weights] That lie in memory together; the numbers are the same with any.
    """
    drawn = units if clusters is None else int(clusters.max()) + 1
    generator = np.random.Generator(np.random.Philox(key(seed, "bootstrap", units, drawn)))
    rows = max(1, at_once // max(units, 1))
    for first in range(0, count, rows):
        num = min(rows, count - first)
        chosen = generator.integers(0, drawn, size=(num, drawn))
        chosen += np.arange(num)[:, None] * drawn
        times = np.bincount(chosen.ravel(), minlength=num * drawn).reshape(num, drawn)
        yield (times if clusters is None else times[:, clusters]).astype(np.float64)


def left_out(
    units: int, clusters: NDArray[np.int64] | None = None, blocks: int = BLOCKS
) -> Iterator[NDArray[np.float64]]:
    """Give the weights of a jackknife, float64 (r, units): of each row one part of the units, or clusters, is 0.

    Args:
        units: N.
        clusters: As in draws.
        blocks: The most parts; the units are dealt out to them in an order of chance.
    """
    dealt = units if clusters is None else int(clusters.max()) + 1
    generator = np.random.Generator(np.random.Philox(key(0, "jackknife", units, dealt)))
    block = generator.permutation(dealt) % min(blocks, dealt)
    block = block if clusters is None else block[clusters]
    rows = max(1, _AT_ONCE // max(units, 1))
    for first in range(0, min(blocks, dealt), rows):
        yield (block != np.arange(first, min(first + rows, blocks, dealt))[:, None]).astype(np.float64)


def intervals(
    functions: Mapping[str, Function],
    units: int,
    count: int = RESAMPLES,
    seed: int = 0,
    clusters: NDArray[np.int64] | None = None,
    confidence: float = 0.95,
) -> dict[str, Interval]:
    """Give the BCa interval of each function, all on the same resamples.

    Args:
        functions: By name.
        units: N.
        count: Of resamples.
        seed: As in draws.
        clusters: As in draws.
        confidence: In (0, 1).
    """
    once = np.ones((1, units))
    independent = units if clusters is None else int(clusters.max()) + 1
    resampled = _on_all(functions, draws(units, count, seed, clusters))
    without = _on_all(functions, left_out(units, clusters))
    return {
        name: bca(resampled[name], float(function(once)[0]), without[name], confidence, independent)
        for name, function in functions.items()
    }


def tail(confidence: float, units: int | None = None) -> float:
    """Give the share of resamples beyond each end of an interval.

    Of n units it is less than (1 - confidence) / 2: resamples vary less than samples, by (n - 1) / n, and their spread
    is an estimate itself, as Student's t knows. With 1,000 units nothing of that is left.

    Source: T. C. Hesterberg, What teachers should know about the bootstrap, The American Statistician 69 (2015)
    371-386, section 4.4 (expanded percentile intervals).

    Args:
        confidence: In (0, 1).
        units: That were resampled, at least 2; None: the plain share.
    """
    if units is None:
        return (1 - confidence) / 2
    share = NormalDist().cdf(-math.sqrt(units / (units - 1)) * t_value(confidence, units - 1))
    return max(share, _LEAST_TAIL)


def percentile(values: NDArray[np.float64], confidence: float = 0.95, units: int | None = None) -> Interval:
    """Give the percentile interval of resamples' numbers, float64 (R,): their quantiles (Efron and Tibshirani, 13.3).

    Args:
        values: NaN where undefined.
        confidence: In (0, 1).
        units: As in tail; with a single one there is no interval.
    """
    defined, undefined = _defined(values)
    if units == 1:
        return Interval(math.nan, math.nan, undefined)
    beyond = tail(confidence, units)
    return _between(defined, beyond, 1 - beyond, undefined)


def bca(
    values: NDArray[np.float64],
    estimate: float,
    jackknife: NDArray[np.float64],
    confidence: float = 0.95,
    units: int | None = None,
) -> Interval:
    """Give the bias-corrected and accelerated interval of resamples' numbers.

    Where it does not exist (all resamples on one side of the estimate, or a jackknife without a number), the percentile
    interval.

    Source: Efron and Tibshirani (1993), 14.3: z0 in equation 14.14, with half of the ties; a in equation 14.15, over
    parts instead of single units.

    Args:
        values: Of resamples, float64 (R,), NaN where undefined.
        estimate: Of what was resampled.
        jackknife: The number without each part, float64 (J,).
        confidence: In (0, 1).
        units: As in tail; with a single one there is no interval.
    """
    defined, undefined = _defined(values)
    # Sums in another order may differ in their last bits.
    same = np.isclose(defined, estimate, rtol=1e-12, atol=0)
    below = (np.count_nonzero((defined < estimate) & ~same) + np.count_nonzero(same) / 2) / max(len(defined), 1)
    if not 0 < below < 1 or not np.isfinite(jackknife).all() or not math.isfinite(estimate) or units == 1:
        return percentile(values, confidence, units)
    normal = NormalDist()
    bias, acceleration = normal.inv_cdf(below), _acceleration(jackknife)
    ends = []
    beyond = tail(confidence, units)
    for share in (beyond, 1 - beyond):
        shifted = bias + normal.inv_cdf(share)
        if acceleration * shifted >= 1:
            return percentile(values, confidence, units)
        ends.append(normal.cdf(bias + shifted / (1 - acceleration * shifted)))
    return replace(_between(defined, ends[0], ends[1], undefined), corrected=True)


def _acceleration(jackknife: NDArray[np.float64]) -> float:
    away = jackknife.mean() - jackknife
    spread = float((away**2).sum()) ** 1.5
    return float((away**3).sum()) / (6 * spread) if spread > 0 else 0.0


def _on_all(functions: Mapping[str, Function], parts: Iterator[NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Give what each function gives for all weights; each part is made once."""
    found: dict[str, list[NDArray[np.float64]]] = {name: [np.empty(0)] for name in functions}
    for weights in parts:
        for name, function in functions.items():
            found[name].append(function(weights))
    return {name: np.concatenate(values) for name, values in found.items()}


def _defined(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    known = values[np.isfinite(values)]
    return known, len(values) - len(known)


def _between(defined: NDArray[np.float64], first: float, last: float, undefined: int) -> Interval:
    if len(defined) == 0:
        return Interval(math.nan, math.nan, undefined)
    low, high = np.quantile(defined, [first, last])
    return Interval(float(low), float(high), undefined)
