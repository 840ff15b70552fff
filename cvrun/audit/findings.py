"""What an audit found, each as one finding: how many images, the first of them, and whether it stops a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cvrun.audit.examine import Audit
from cvrun.audit.likeness import ALIKE, COPY, IDENTICAL, Pair, across, alike, conflicts, within
from cvrun.pipeline.unreadable import allowance
from cvrun.split import torn

SMALLEST = 8
"""[pixels] Side below which an image is called tiny: fewer than a code block of JPEG, and no network of this package
keeps anything of it behind its first two poolings."""

LISTED = 20
"""[images] that a finding names; it counts the others."""

_SIGNS = {IDENTICAL: "=", COPY: "~", ALIKE: "~"}


@dataclass(frozen=True)
class Finding:
    """One kind of thing that was found.

    Attributes:
        kind: A word for programs, such as "leakage".
        what: What it is, for people, with the count.
        count: [images], [pairs] or [groups], as what says.
        examples: The first of them.
        stops: Whether a run would not start.
    """

    kind: str
    what: str
    count: int
    examples: tuple[str, ...]
    stops: bool = False


def findings(audit: Audit, skip_unreadable: float, accepted: bool) -> list[Finding]:
    """Give what an audit found, what stops a run first.

    Args:
        audit: Of the parts of a split.
        skip_unreadable: Share of the training images that may be left out, as in the configuration.
        accepted: Whether copies and groups may lie in several parts.
    """
    found = [
        *_unreadable(audit, skip_unreadable),
        *relations(audit, audit.names, accepted),
        *_torn_groups(audit, accepted),
        *_odd(audit),
        *_absent(audit),
    ]
    return sorted(found, key=lambda one: not one.stops)


def relations(audit: Audit, names: Sequence[str], accepted: bool) -> list[Finding]:
    """Give what an audit found between the images of some parts, by name; accepted as in findings."""
    parts = [audit.names.index(name) for name in names]
    return [
        *_leakage(audit, parts, accepted),
        *_conflicts(audit, parts),
        *_duplicates(audit, parts),
        *_alike(audit, parts),
    ]


def said(audit: Audit, pair: Pair) -> str:
    """Give a pair in words."""
    left, right = (f"{audit.name(row)} ({audit.part(row)})" for row in (pair.row, pair.other))
    score = "" if pair.likeness == IDENTICAL else f"  r {pair.score:.4f}"
    return f"{left} {_SIGNS[pair.likeness]} {right}{score}"


def number(count: int, noun: str) -> str:
    """Give a count with its noun, such as "1 image" or "2,000 images"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _leakage(audit: Audit, parts: Sequence[int], accepted: bool) -> Iterator[Finding]:
    for one, other in combinations(parts, 2):
        if pairs := across(audit.like, one, other):
            a, b = audit.names[one], audit.names[other]
            verb = "is" if len(pairs) == 1 else "are"
            what = f"{number(len(pairs), 'image')} of {a} {verb} in {b} as well: {kinds_of(pairs)}"
            yield _of_pairs(audit, "leakage", what, pairs, len(pairs), not accepted)


def kinds_of(pairs: Sequence[Pair]) -> str:
    """Give how many pairs are identical and how many are copies, in words."""
    identical = sum(pair.likeness == IDENTICAL for pair in pairs)
    counted = ((identical, "identical"), (len(pairs) - identical, "copied with small changes"))
    return ", ".join(f"{count:,} {word}" for count, word in counted if count)


def _torn_groups(audit: Audit, accepted: bool) -> Iterator[Finding]:
    groups = audit.manifest.groups
    found = torn(groups, audit.split) if groups is not None else {}
    if found:
        examples = tuple(f"{group}: {', '.join(parts)}" for group, parts in list(found.items())[:LISTED])
        what = f"{number(len(found), 'group')} {'lies' if len(found) == 1 else 'lie'} in several parts"
        yield Finding("groups", what, len(found), examples, not accepted)


def _unreadable(audit: Audit, share: float) -> Iterator[Finding]:
    bad = np.flatnonzero(audit.notes["reason"] != b"")
    if len(bad) == 0:
        return
    counts = {name: int(np.isin(bad, audit.rows(part)).sum()) for part, name in enumerate(audit.names)}
    allowed = allowance(share, len(audit.rows(audit.names.index("train"))))
    stops = counts["train"] > allowed or counts["val"] > 0
    examples = tuple(f"{audit.name(i)} ({audit.part(i)}): {reason_of(audit, i)}" for i in bad[:LISTED].tolist())
    yield Finding("unreadable", f"{number(len(bad), 'image')} cannot be used", len(bad), examples, stops)


def reason_of(audit: Audit, row: int) -> str:
    """Give why an image cannot be used."""
    return bytes(audit.notes["reason"][row]).decode()


def _conflicts(audit: Audit, parts: Sequence[int]) -> Iterator[Finding]:
    found = list(conflicts(audit.like, audit.labels, parts))
    if found:
        examples = tuple(" = ".join(f"{audit.name(i)} ({audit.label(i)})" for i in rows[:3].tolist()) for rows in found)
        count = sum(map(len, found))
        what = f"{number(count, 'image')} with the same pixels as another one, but another label"
        yield Finding("conflict", what, count, examples[:LISTED])


def _duplicates(audit: Audit, parts: Sequence[int]) -> Iterator[Finding]:
    for part in parts:
        name = audit.names[part]
        if pairs := within(audit.like, part):
            what = f"{number(len(pairs), 'image')} of {name} repeat{'s' * (len(pairs) == 1)} another one of {name}"
            yield _of_pairs(audit, "duplicate", f"{what}: {kinds_of(pairs)}", pairs, len(pairs), False)


def _alike(audit: Audit, parts: Sequence[int]) -> Iterator[Finding]:
    for one, other in [*combinations(parts, 2), *((part, part) for part in parts)]:
        if pairs := alike(audit.like, one, other):
            a, b = audit.names[one], audit.names[other]
            total = int(audit.like.alike.pairs[one, other])
            what = f"{number(total, 'pair')} of images {f'across {a} and {b}' if one != other else f'in {a}'}"
            what += " more alike than chance explains"
            if one != other:
                what += "; what shows one subject belongs in one part (data.group_by, data.group_pattern)"
            yield _of_pairs(audit, "alike across" if one != other else "alike", what, pairs, total, False)


def _odd(audit: Audit) -> Iterator[Finding]:
    notes = audit.notes
    fine = notes["reason"] == b""
    modes, counts = np.unique(notes["mode"][fine], return_counts=True)
    usual = modes[counts.argmax()] if len(modes) else b""
    tiny = fine & (np.minimum(notes["height"], notes["width"]) < SMALLEST)

    def size(i: int) -> str:
        return f"{notes['width'][i]}x{notes['height'][i]}"

    kinds: list[tuple[str, str, np.ndarray, Callable[[int], str]]] = [
        ("tiny", f"{{}} with a side below {SMALLEST} pixels", tiny, size),
        ("empty", "{} of one colour everywhere", fine & notes["empty"], size),
        (
            "mode",
            f"{{}} of another colour mode than {bytes(usual).decode()}, which is the most common",
            fine & (notes["mode"] != usual),
            lambda i: bytes(notes["mode"][i]).decode(),
        ),
        ("animated", "{} with several frames, of which the first counts", fine & notes["animated"], size),
        ("turned", "{} turned as their EXIF orientation says", fine & notes["turned"], size),
    ]
    for kind, what, chosen, fact in kinds:
        rows = np.flatnonzero(chosen)
        if len(rows):
            examples = tuple(f"{audit.name(i)} ({audit.part(i)}): {fact(i)}" for i in rows[:LISTED].tolist())
            yield Finding(kind, what.format(number(len(rows), "image")), len(rows), examples)


def _absent(audit: Audit) -> Iterator[Finding]:
    for name, positions in audit.split.parts().items():
        counts = audit.manifest.counts(positions)
        missing = [audit.manifest.classes[i] for i in np.flatnonzero(counts == 0).tolist()]
        if missing and len(positions):
            of = f"{len(missing):,} of {len(counts):,} classes"
            verb = "has" if len(missing) == 1 else "have"
            yield Finding("absent", f"{of} {verb} no image in {name}", len(missing), tuple(missing[:LISTED]))


def _of_pairs(audit: Audit, kind: str, what: str, pairs: Iterable[Pair], count: int, stops: bool) -> Finding:
    examples = tuple(said(audit, pair) for pair in list(pairs)[:LISTED])
    return Finding(kind, what, count, examples, stops)
