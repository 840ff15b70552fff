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
    whole: list[int] = [sum(column) for column in zip(*counts.values(), strict=True)]
    total = sum(whole)

    def distance(part: Sequence[int]) -> float | None:
        size = sum(part)
        if size == 0:
            return None
        return sum(abs(n / size - w / total) for n, w in zip(part, whole, strict=True)) / 2

    return {name: distance(part) for name, part in counts.items()}


def split_table(
    classes: Sequence[str],
    counts: Mapping[str, Sequence[int]],
    groups: Mapping[str, int],
    strata: Mapping[str, Mapping[str, int]],
    shown: Sequence[float] = (),
) -> str:
    """Give the table of a split, with a second one behind an empty line where there are strata.

    Args:
        classes: Names, in order.
        counts: Part -> images of each class.
        groups: Part -> number of groups; empty where the data has none.
        strata: Part -> stratum -> images; empty where there are none but the classes.
        shown: Expected share of each class in an epoch of training; empty where it is that of the training images.
    """
    more = [["groups", *(f"{groups[part]:,}" for part in counts)]] if groups else []
    table = _rows("class", classes, counts, more)
    if shown:
        _insert_shown(table, counts, shown)
    text = _text(table)
    if strata:
        names = list(next(iter(strata.values())))
        own = {part: [images[name] for name in names] for part, images in strata.items()}
        text += "\n" + _text(_rows("stratum", names, own, []))
    return text


def _insert_shown(table: list[list[str]], counts: Mapping[str, Sequence[int]], shown: Sequence[float]) -> None:
    """Put a column with what training shows behind that of the training images."""
    whole = [sum(column) for column in zip(*counts.values(), strict=True)]
    distance = 0.5 * sum(abs(share - images / sum(whole)) for share, images in zip(shown, whole, strict=True))
    last = {"all": "100.0 %", "groups": "-", "distance": f"{distance:.4f}"}
    cells = ["shown", *(f"{100 * share:.1f} %" for share in shown)]
    cells += [last[row[0]] for row in table[len(cells) :]]
    for row, cell in zip(table, cells, strict=True):
        row.insert(1 + list(counts).index("train") + 1, cell)


def _rows(
    title: str, names: Sequence[str], counts: Mapping[str, Sequence[int]], more: list[list[str]]
) -> list[list[str]]:
    """Give the rows of a table, the headings first."""
    rows = [[name, *(f"{part[i]:,}" for part in counts.values())] for i, name in enumerate(names)]
    rows.append(["all", *(f"{sum(part):,}" for part in counts.values())])
    rows += more
    rows.append(["distance", *("-" if d is None else f"{d:.4f}" for d in distances(counts).values())])
    return [[title, *counts], *rows]


def _text(table: list[list[str]]) -> str:
    return text_table(table[0], table[1:], right=range(1, len(table[0])))
