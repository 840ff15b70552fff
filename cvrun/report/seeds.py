"""Seeds: mean, spread and interval over runs that differ in nothing but the seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cvrun.report.summary import between, number
from cvrun.report.tables import text_table

FEWEST = 3
"""[seeds] Below which mean and spread are hardly known."""


@dataclass(frozen=True)
class Spread:
    """What several seeds came to.

    Attributes:
        n: Seeds.
        mean: Of their scores.
        sd: Standard deviation of a sample (n - 1); None for a single one.
        interval: 95% interval of the mean over other seeds, low and high; None for a single one.
    """

    n: int
    mean: float
    sd: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Seeded:
    """A finished run.

    Attributes:
        setting: What the runs have in common that differ in nothing but the seed.
        shown: The same in words.
        seed: Its seed.
        monitor: The metric that it was scored by.
        score: Of that metric.
    """

    setting: str
    shown: str
    seed: Any
    monitor: str
    score: float


def spread(scores: Sequence[float]) -> Spread:
    """Give mean, standard deviation and Student's 95% interval of the mean: mean +- t(n - 1) * sd / sqrt(n).

    It holds for other seeds on the same images, not for other images.

    Source: Student, The probable error of a mean, Biometrika 6 (1908) 1-25.

    Args:
        scores: One a seed, at least one, finite.
    """
    mean = statistics.fmean(scores)
    if len(scores) < 2:
        return Spread(len(scores), mean, None, None)
    from scipy.special import stdtrit

    sd = statistics.stdev(scores)
    half = float(stdtrit(len(scores) - 1, 0.975)) * sd / math.sqrt(len(scores))
    return Spread(len(scores), mean, sd, (mean - half, mean + half))


def few(n: int) -> str:
    """Give a remark where there are fewer seeds than a spread needs; nothing where there are enough."""
    return "" if n >= FEWEST else f"{n} seed{'' if n == 1 else 's'}, fewer than {FEWEST}: the spread is hardly known"


def seeds_table(runs: Sequence[Seeded]) -> str:
    """Give an empty line and a table with a row for each setting of several seeds: n, mean, sd, interval, range.

    A seed counts once. Lines below say where there are fewer than three. Nothing where no setting has two.
    """
    settings: dict[tuple[str, str], dict[str, Seeded]] = {}
    for run in runs:
        settings.setdefault((run.setting, run.monitor), {}).setdefault(repr(run.seed), run)
    rows, lines = [], []
    for (_, monitor), found in settings.items():
        if len(found) < 2:
            continue
        scores = [run.score for run in found.values()]
        over, shown = spread(scores), next(iter(found.values())).shown
        ends = [between(over.interval), number(min(scores)), number(max(scores))]
        rows.append([shown, monitor, f"{over.n}", number(over.mean), number(over.sd), *ends])
        lines += [f"{shown}: {said}\n"] if (said := few(over.n)) else []
    if not rows:
        return ""
    columns = ["setting", "metric", "seeds", "mean", "sd", "95% interval", "min", "max"]
    return f"\n{text_table(columns, rows, right=range(2, len(columns)))}{''.join(lines)}"


def without_seed(said: Sequence[str]) -> list[str]:
    """Give the words of a command line but those that say the seed."""
    return [text for text in said if text.lstrip("+").partition("=")[0] != "seed"]
