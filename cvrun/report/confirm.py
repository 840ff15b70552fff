"""What new seeds say about the settings that a sweep picked: each beside the score that it was picked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvrun.errors import printable
from cvrun.report.seeds import FEWEST, Spread, few, spread
from cvrun.report.summary import between, number
from cvrun.report.tables import text_table

_SAME = 1e-9
"""Width below which an interval is one of differences that are all the same, but for the last bits."""


@dataclass(frozen=True)
class Again:
    """A setting with the seeds it was picked with, and new ones.

    Attributes:
        setting: In words.
        picked: Scores it was picked for.
        seeds: New seed -> score; None where its run has none.
    """

    setting: str
    picked: Spread
    seeds: Mapping[int, float | None]

    @property
    def scores(self) -> list[float]:
        """The new scores there are."""
        return [score for score in self.seeds.values() if score is not None]

    @property
    def found(self) -> Spread | None:
        """What the new scores come to; None without any."""
        return spread(self.scores) if self.scores else None


def confirmed(settings: Sequence[Again], monitor: str, mode: str) -> str:
    """Give a table, a row a setting, in the order in which they were picked, and lines on what it shows.

    Args:
        settings: As they were picked, the best first.
        monitor: The metric.
        mode: "max" or "min": which scores are better.
    """
    rows = []
    for one in settings:
        found = one.found
        sure = [number(found.mean), number(found.sd), between(found.interval)] if found else ["-"] * 3
        rows.append([one.setting, number(one.picked.mean), f"{one.picked.n}", f"{len(one.scores)}", *sure])
    columns = ["setting", "picked", "n", "new", "mean", "sd", "95% interval"]
    lines = [f"{one.setting}: {few(len(one.scores))}" for one in settings if few(len(one.scores))]
    lines += [_order(settings, mode), *_difference(settings, mode)]
    lines.append("new seeds take the luck of a seed away, not that of the validation images: they are the same")
    return (
        printable(f"{monitor}: picked for, over n seeds; then of new seeds, with Student's interval")
        + "\n\n"
        + text_table(columns, rows, right=range(1, len(columns)))
        + "\n"
        + "".join(f"{printable(line)}\n" for line in lines)
    )


def order(settings: Sequence[Again], mode: str) -> list[int] | None:
    """Give the places that the settings were picked at, in the order of their new means; None where one has none."""
    means = [one.found.mean if one.found else None for one in settings]
    if any(mean is None for mean in means):
        return None
    sign = -1.0 if mode == "max" else 1.0
    return sorted(range(len(means)), key=lambda place: sign * (means[place] or 0.0))


def plain(settings: Sequence[Again], mode: str) -> dict[str, Any]:
    """Give the same as values for programs."""
    places = order(settings, mode)
    return {
        "order_stands": None if places is None or len(places) < 2 else places == sorted(places),
        "settings": [
            {
                "setting": one.setting,
                "picked": {"score": one.picked.mean, "n": one.picked.n},
                "n": len(one.scores),
                "mean": one.found.mean if one.found else None,
                "sd": one.found.sd if one.found else None,
                "interval": one.found.interval if one.found else None,
                "scores": [{"seed": seed, "score": score} for seed, score in one.seeds.items()],
            }
            for one in settings
        ],
    }


def _order(settings: Sequence[Again], mode: str) -> str:
    places = order(settings, mode)
    if places is None:
        return "the order is not known: a setting has no finished run with a new seed"
    if len(places) == 1:
        return "there is one setting, so there is no order"
    if places == sorted(places):
        return "the order stands: by their new means the settings are as they were picked"
    now = ", ".join(f"{place + 1}" for place in places)
    return f"the order does not stand: by their new means the settings come as {now}"


def _difference(settings: Sequence[Again], mode: str) -> list[str]:
    """Give what the two best of the new means differ by, seed by seed, and whether that shows anything."""
    places = order(settings, mode) or []
    if len(places) < 2:
        return []
    first, second = (settings[place] for place in places[:2])
    both = [(a, second.seeds.get(seed)) for seed, a in first.seeds.items() if a is not None]
    found = spread(differences) if (differences := [a - b for a, b in both if b is not None]) else None
    if found is None or found.interval is None or found.n < FEWEST:
        return [f"with fewer than {FEWEST} seeds in common, nothing is known of the difference of the two best"]
    low, high = found.interval
    shown = "no difference shown" if low <= 0 <= high else "a difference on these images"
    if high - low < _SAME:
        shown = "the same with every seed, so how sure it is cannot be told"
    ends = f"{number(found.mean)}, 95% interval {between(found.interval)} over {found.n} seeds"
    return [f"the two best by new means ({places[0] + 1} and {places[1] + 1}) differ by {ends}: {shown}"]
