"""The parts of a split side by side: images of each class and stratum, groups, and how far each is from the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cvrun.report.tables import text_table


def distances(counts: Mapping[str, Sequence[int]]) -> dict[str, float | None]:
    """Give for each part the total variation distance of its shares to those of all parts together, in [0, 1].

    It is half the sum of |p - q| over the classes: the share of the part that would have to be of another class.
    None for an empty part.

    Args:
        counts: Part -> images of each class, in one order.
    """
    whole = [sum(column) for column in zip(*counts.values(), strict=True)]
    total = sum(whole)

    def distance(part: Sequence[int]) -> float | None:
        size = sum(part)
        if size == 0:
            return None
        return 0.5 * sum(abs(n / size - w / total) for n, w in zip(part, whole, strict=True))

    return {name: distance(part) for name, part in counts.items()}


def split_table(
    classes: Sequence[str],
    counts: Mapping[str, Sequence[int]],
    groups: Mapping[str, int],
    strata: Mapping[str, Mapping[str, int]],
) -> str:
    """Give the table of a split, with a second one behind an empty line where there are strata.

    Args:
        classes: Names, in order.
        counts: Part -> images of each class.
        groups: Part -> number of groups; empty where the data has none.
        strata: Part -> stratum -> images; empty where there are none but the classes.
    """
    more = [["groups", *(f"{groups[part]:,}" for part in counts)]] if groups else []
    text = _table("class", classes, counts, more)
    if strata:
        names = list(next(iter(strata.values())))
        text += "\n" + _table("stratum", names, {part: [own[n] for n in names] for part, own in strata.items()}, [])
    return text


def _table(title: str, names: Sequence[str], counts: Mapping[str, Sequence[int]], more: list[list[str]]) -> str:
    rows = [[name, *(f"{part[i]:,}" for part in counts.values())] for i, name in enumerate(names)]
    rows.append(["all", *(f"{sum(part):,}" for part in counts.values())])
    rows += more
    rows.append(["distance", *("-" if d is None else f"{d:.4f}" for d in distances(counts).values())])
    return text_table([title, *counts], rows, right=range(1, len(counts) + 1))
