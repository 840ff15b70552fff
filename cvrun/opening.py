"""One line of the ledger of opened test sets: what it says, how it is written, and how it is bound to the one before.

A line is a JSON object in ASCII with sorted keys: `hash` is the sha256 of the object without it, `previous` the hash of
the line before. So no line can be changed, moved or taken out unseen. Nothing in it says who opened the set, or on
which machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from cvrun.errors import CheckpointError
from cvrun.sketch import shared

FIRST = "0" * 64
"""What the first line names as the hash of the line before."""

PUT_BACK = "lines are added and never changed; put the file back as it was"


@dataclass(frozen=True)
class Draft:
    """What a line says about an opening.

    Attributes:
        run: The run's folder, from that of the ledger on.
        run_id: Its id.
        config: sha256 of its spec.yaml, with its changes.jsonl behind where there is one.
        weights: sha256 of the content of the weights, whatever file they are in.
        checkpoint: "best" or "last".
        step: Optimizer steps after which they were saved.
        test: sha256 of the test set: the content of its images, and their classes.
        sketch: Of its images, as in sketch.py, which tells how much it shares with another set.
        names: sha256 of which images of the run's data are its test part, "" where it has none.
        external: Name of a test set from elsewhere; None: the run's own test part.
        images: Number of them.
        leaked: Number of those that are images of training or validation as well, which the user accepted.
        reason: Why it was opened, in the user's words.
    """

    run: str
    run_id: str
    config: str
    weights: str
    checkpoint: str
    step: int
    test: str
    sketch: str
    names: str
    external: str | None
    images: int
    leaked: int
    reason: str | None


@dataclass(frozen=True)
class Opening(Draft):
    """One line.

    Attributes:
        number: Of the line, from 1.
        time: When it was written, UTC.
        torn: What a process that died while it wrote had left at this place; it had opened nothing.
        previous: Hash of the line before.
        hash: sha256 of all other values.
    """

    number: int
    time: str
    torn: str | None
    previous: str
    hash: str


@dataclass(frozen=True)
class Count:
    """How often a test set has been opened, by how many different models.

    Attributes:
        openings: Number of them.
        models: Whose weights were measured.
        sharing: Openings of other sets that have some of its images.
    """

    openings: int
    models: int
    sharing: int = 0

    def said(self, what: str, where: str = "") -> str:
        """Give it in words; what is the test set, such as "this test set", where its last line, such as "line 3"."""
        if self.openings == 0:
            return f"{what} has not been opened"
        times = f"{self.openings:,} time{'s' * (self.openings > 1)}"
        models = "1 model" if self.models == 1 else f"{self.models:,} different models"
        number = f"{self.sharing:,} opening{'s' * (self.sharing > 1)}"
        sharing = f"; sets that share images with it: {number}" if self.sharing else ""
        line = f" ({where})" if where else ""
        return f"{what} has been opened {times}, by {models}{line}{sharing}"


def count(openings: Sequence[Opening], tests: Collection[str]) -> Count:
    """Give how often a test set has been opened.

    Args:
        openings: All there are.
        tests: What it is known by; several sets are counted as one.
    """
    these = [opening for opening in openings if opening.test in tests]
    sketches = {opening.sketch for opening in these}
    others = [opening for opening in openings if opening.test not in tests]
    alike = {each for each in {other.sketch for other in others} if any(shared(each, one) > 0 for one in sketches)}
    sharing = sum(other.sketch in alike for other in others)
    return Count(len(these), len({opening.weights for opening in these}), sharing)


def encoded(opening: Opening) -> bytes:
    """Give a line with its end."""
    return _canonical(dataclasses.asdict(opening)) + b"\n"


def opening_of(draft: Draft, previous: Opening | None, time: str, torn: str | None) -> Opening:
    """Give the line that follows previous."""
    number, before = (previous.number + 1, previous.hash) if previous else (1, FIRST)
    about = {"number": number, "time": time, "torn": torn, "previous": before}
    values = {**dataclasses.asdict(draft), **about}
    return Opening(**values, hash=_hash(values))


def chain(content: bytes, where: str) -> tuple[list[Opening], bytes]:
    """Give the lines of a ledger in order, and what there is of one that was not finished.

    Args:
        content: Of the file.
        where: Its path, for a message.

    Raises:
        CheckpointError: If a line is not as it was written, or not in its place.
    """
    *lines, torn = content.split(b"\n")
    if torn:
        with contextlib.suppress(CheckpointError):
            # Whole but for its end.
            parsed(torn, where)
            lines, torn = [*lines, torn], b""
    found: list[Opening] = []
    for number, line in enumerate(lines, start=1):
        opening = parsed(line, f"{where}, line {number}")
        if (opening.number, opening.previous) != (number, found[-1].hash if found else FIRST):
            fact = f"is the one that was written as line {opening.number}, or does not follow the line before it"
            raise CheckpointError(f"{where}, line {number}: {fact}", PUT_BACK)
        found.append(opening)
    return found, torn


def _canonical(values: dict[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, allow_nan=False).encode("ascii")


def _hash(values: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(values)).hexdigest()


def parsed(line: bytes, where: str) -> Opening:
    """Give the opening that a line without its end is about.

    Args:
        line: As it stands in the file.
        where: File and line, for a message.

    Raises:
        CheckpointError: If it is not as it was written.
    """
    try:
        values = json.loads(line)
        opening = Opening(**values)
        if any(not _fits(field, values[field.name]) for field in dataclasses.fields(Opening)):
            raise ValueError("a value of another kind")
        # Also equal where keys stand twice, or a number is written differently.
        if encoded(opening) != line + b"\n" or _hash({k: v for k, v in values.items() if k != "hash"}) != opening.hash:
            raise ValueError("its hash does not fit")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        fact = f"is not as it was written ({error})" if line else "is empty"
        raise CheckpointError(f"{where}: {fact}", PUT_BACK) from error
    return opening


def _fits(field: dataclasses.Field[Any], value: Any) -> bool:
    kinds = {"str": (str,), "int": (int,), "str | None": (str, type(None))}
    return type(value) in kinds[str(field.type)]
