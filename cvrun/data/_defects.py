"""What is wrong with single entries of a table or shard, and the one report that is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cvrun.data._root import shown
from cvrun.errors import DataError

LISTED = 5
"""[entries] that a message names; it counts the others."""


@dataclass(frozen=True)
class Defect:
    """What is wrong with one value.

    Attributes:
        entry: Number or name of the row or sample.
        part: Where in it, such as "column 'label'"; "" for all of it.
        value: What stands there.
        rule: What is expected.
        hint: What to do instead, if there is something to say.
    """

    entry: str
    part: str
    value: str
    rule: str
    hint: str = ""


def report(where: object, noun: str, defects: Sequence[Defect]) -> DataError:
    """Give the error that names the first defect, counts all, and lists the first entries that have one.

    Args:
        where: The table or shard.
        noun: What an entry is called, such as "row".
        defects: At least one, in the order of the entries.
    """
    first = defects[0]
    place = f"{where} {noun} {shown(first.entry)}" + (f", {first.part}" if first.part else "")
    value = shown(first.value if len(first.value) <= 200 else first.value[:200] + "...")
    entries = list(dict.fromkeys(shown(defect.entry) for defect in defects))
    listed = f"{', '.join(entries[:LISTED])}{', ...' if len(entries) > LISTED else ''}"
    count = f"{len(defects)} defects in {len(entries)} {noun}{'s' * (len(entries) > 1)}: {listed}"
    hint = "; ".join(text for text in (first.hint, count if len(defects) > 1 else "") if text)
    return DataError(f"{place}: '{value}', expected {first.rule}", hint)
