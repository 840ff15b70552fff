"""An axis for the values of a hyperparameter: linear, logarithmic, or a place for each category."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from cvrun.report.charts import ticks
from cvrun.report.sweep import shown

_LOG_FROM = 10.0
"""Positive numbers whose largest is at least so many times the least are far apart: their logarithm is shown."""

_MOST_TICKS = 8
_MOST_VALUES = 6
_APART = 0.1
"""Of the axis: least distance of two marks."""


@dataclass(frozen=True)
class Scale:
    """Where values lie on an axis from 0 to 1.

    Attributes:
        kind: linear, log or ordinal.
        low: Value at 0, or its logarithm to the base of 10; for ordinal -0.5.
        high: Likewise at 1.
        order: Of an ordinal scale, the values as they are shown.
        values: Of the others, where they are so few that each has its own mark.
    """

    kind: str
    low: float
    high: float
    order: Sequence[str] = ()
    values: Sequence[float] = ()

    def place(self, value: Any) -> float:
        """Give where a value lies, in [0, 1]."""
        if self.kind == "ordinal":
            at = float(self.order.index(shown(value)))
        else:
            at = math.log10(value) if self.kind == "log" else float(value)
        return (at - self.low) / (self.high - self.low)

    def marks(self) -> list[tuple[float, str]]:
        """Give places and what is written there, at most some eight."""
        if self.kind == "ordinal":
            every = math.ceil(len(self.order) / _MOST_TICKS)
            return [(self.place_of(i), self.order[i]) for i in range(0, len(self.order), every)]
        if self.values:
            at = [math.log10(value) if self.kind == "log" else value for value in self.values]
            return [(self.place_of(a), f"{value:.4g}") for a, value in zip(at, self.values, strict=True)]
        if self.kind == "log" and self.high - self.low >= 2:
            powers = range(math.ceil(self.low), math.floor(self.high) + 1)
            every = math.ceil(len(powers) / _MOST_TICKS)
            return [(self.place_of(power), f"{10.0**power:g}") for power in powers[::every]]
        if self.kind == "log":
            values = [f * 10.0**p for p in range(math.floor(self.low), math.ceil(self.high) + 1) for f in (1, 2, 5)]
            kept = [value for value in values if self.low <= math.log10(value) <= self.high]
            return [(self.place_of(math.log10(value)), f"{value:g}") for value in kept]
        return [(self.place_of(value), f"{value:.4g}") for value in ticks(self.low, self.high, 7)]

    def place_of(self, at: float) -> float:
        """Give where what is already a number on the axis lies: a value, its logarithm, or the number of a category."""
        return (at - self.low) / (self.high - self.low)


def scale_of(values: Sequence[Any]) -> Scale:
    """Give the axis for values, of which there is one at least.

    Numbers are ordered by size; anything else, such as true, null and 5%, is a category.
    """
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values) or not all(map(math.isfinite, numbers)):
        order = sorted({shown(value) for value in values}, key=_natural)
        return Scale("ordinal", -0.5, len(order) - 0.5, order)
    low, high = min(numbers), max(numbers)
    if low > 0 and high / low >= _LOG_FROM:
        room = 0.04 * (math.log10(high) - math.log10(low))
        return _marked(Scale("log", math.log10(low) - room, math.log10(high) + room), numbers)
    room = 0.04 * (high - low) or abs(high) * 0.05 or 1.0
    return _marked(Scale("linear", low - room, high + room), numbers)


def _marked(scale: Scale, numbers: Sequence[float]) -> Scale:
    """Give the scale with a mark for each number, if they are few and not close to each other."""
    values = sorted(set(numbers))
    places = [scale.place(value) for value in values]
    apart = all(b - a >= _APART for a, b in pairwise(places))
    return replace(scale, values=values) if len(values) <= _MOST_VALUES and apart else scale


def _natural(word: str) -> tuple[bool, float, str]:
    """Order 5% before 10%, and both before words."""
    found = re.match(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3})?", word)
    return found is None, float(found.group()) if found else 0.0, word
