"""Medians and ratios of rounds, as numbers and as text."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

LARGEST_DRIFT = 0.03
"""By which two equal contenders may differ before a goal that is met or missed by less is left open."""


def good(row: dict | None) -> list[dict]:
    """Give the rounds of a row that ended well."""
    return [one for one in row["rounds"] if "failed" not in one] if row else []


def row_of(rows: Iterable[dict], label: str) -> dict | None:
    """Give the row of a contender; None where it did not take part."""
    return next((row for row in rows if row["label"] == label and good(row)), None)


def ratios(above: dict | None, below: dict | None, key: str) -> list[float]:
    """Give above / below, round by round."""
    pairs = zip(above["rounds"], below["rounds"], strict=False) if above and below else ()
    return [a[key] / b[key] for a, b in pairs if "failed" not in a and "failed" not in b]


def drift(rows: Sequence[dict], key: str = "rate") -> float:
    """Give by how much the control differs from its equal; 0 where there is none."""
    found = ratios(row_of(rows, "cvrun, again"), row_of(rows, "cvrun"), key)
    return abs(math.log(statistics.median(found))) if found else 0.0


def spread(values: Sequence[float], digits: int = 0, suffix: str = "") -> str:
    """Give median and range."""
    if not values:
        return "-"
    low, middle, high = min(values), statistics.median(values), max(values)
    if len(values) == 1:
        return f"{middle:,.{digits}f}{suffix}"
    return f"{middle:,.{digits}f}{suffix} ({low:,.{digits}f} to {high:,.{digits}f})"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Give a table in Markdown."""
    rows = [list(head), ["---"] * len(head), *map(list, lines)]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def welch(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Give the difference of two means and half the width of its 95 % interval (Welch 1947)."""
    va, vb = statistics.variance(a) / len(a), statistics.variance(b) / len(b)
    if va + vb == 0:
        return statistics.mean(a) - statistics.mean(b), 0.0
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return statistics.mean(a) - statistics.mean(b), t_quantile(freedom) * math.sqrt(va + vb)


def t_quantile(freedom: float) -> float:
    """Give the 97.5 % quantile of Student's t, by the expansion of Abramowitz and Stegun 26.7.5."""
    z = 1.959964
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + g1 / freedom + g2 / freedom**2 + g3 / freedom**3
