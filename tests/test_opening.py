"""A line of the ledger of opened test sets."""

import dataclasses
import hashlib
import json

import pytest

from cvrun.errors import CheckpointError
from cvrun.opening import FIRST, Draft, chain, count, encoded, opening_of, parsed

DRAFT = Draft("run/1", "1", "c" * 64, "w" * 64, "best", 12, "t" * 64, "0" * 16, "s" * 64, None, 180, 0, None)


def ledger(*drafts):
    """The lines of drafts, in order."""
    found = []
    for number, draft in enumerate(drafts):
        found.append(opening_of(draft, found[-1] if found else None, f"2026-01-0{number + 1}T00:00:00Z", None))
    return found


THREE = ledger(DRAFT, dataclasses.replace(DRAFT, reason="ä\n\x1b[2J"), dataclasses.replace(DRAFT, weights="v" * 64))


def test_a5_the_hash_is_that_of_all_other_values_and_the_line_before_is_named():
    before = FIRST
    for number, opening in enumerate(THREE, start=1):
        line = encoded(opening)
        assert line.endswith(b"}\n") and line.isascii() and not any(byte < 32 for byte in line[:-1])
        values = json.loads(line)
        assert (values["number"], values["previous"]) == (number, before)
        before = values.pop("hash")
        text = json.dumps(values, sort_keys=True)
        assert before == hashlib.sha256(text.encode()).hexdigest()
    assert FIRST == "0" * 64


def test_what_is_written_is_read():
    content = b"".join(map(encoded, THREE))
    assert chain(content, "f") == (THREE, b"")
    assert chain(b"", "f") == ([], b"")


def test_a_last_line_that_was_not_finished_does_not_count_and_a_whole_one_does():
    content = b"".join(map(encoded, THREE))
    for end in range(1, len(encoded(THREE[2])) - 1):
        torn = content[: len(content) - 1 - end]
        if not torn.endswith(b"\n"):
            assert chain(torn, "f") == (THREE[:2], torn.split(b"\n")[-1])
    assert chain(content[:-1], "f") == (THREE, b"")


def swapped(lines):
    return [lines[1], lines[0], lines[2]]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: [lines[0].replace(b"180", b"181"), *lines[1:]], 1),
        (lambda lines: [lines[0], lines[1].replace(b"best", b"last"), lines[2]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[2]], 2),
        (swapped, 1),
        (lambda lines: [*lines, lines[2]], 4),
        (lambda lines: [lines[0], b"", *lines[1:]], 2),
        (lambda lines: [lines[0].replace(b'"number": 1', b'"number":1'), *lines[1:]], 1),
        (lambda lines: [lines[0].replace(b"}", b', "number": 1}'), *lines[1:]], 1),
        (lambda lines: [lines[0].replace(b'"step": 12', b'"step": "12"'), *lines[1:]], 1),
        (lambda lines: [b"[" * 100_000, *lines], 1),
        (lambda lines: [b"{}", *lines], 1),
        (lambda lines: [b"\xff", *lines], 1),
    ],
)
def test_a5_a_line_that_was_changed_moved_or_taken_out_is_named(change, line):
    lines = [encoded(opening)[:-1] for opening in THREE]
    with pytest.raises(CheckpointError, match=f"^ledger, line {line}: ") as caught:
        chain(b"\n".join(change(lines)) + b"\n", "ledger")
    assert len(str(caught.value).splitlines()) == 1


def test_a_line_that_was_written_anew_with_its_hash_breaks_the_next_one():
    other = opening_of(dataclasses.replace(DRAFT, images=1), None, THREE[0].time, None)
    with pytest.raises(CheckpointError, match="^f, line 2: .* does not follow the line before it"):
        chain(b"".join(map(encoded, [other, *THREE[1:]])), "f")


def test_a_line_alone():
    assert parsed(encoded(THREE[1])[:-1], "f") == THREE[1]
    with pytest.raises(CheckpointError, match="^f: is empty"):
        parsed(b"", "f")


def test_openings_and_models_are_counted():
    these = {DRAFT.test}
    assert dataclasses.astuple(count(THREE, these)) == (3, 2, 0)
    assert count(THREE, these).said("this test set") == "this test set has been opened 3 times, by 2 different models"
    assert count(THREE[:1], these).said("it") == "it has been opened 1 time, by 1 model"
    assert count(THREE, {"another"}).said("it") == count([], these).said("it") == "it has not been opened"


def test_openings_of_sets_that_share_images_are_counted_beside():
    a, b, c, d = (f"{i}" * 16 for i in range(4))
    drafts = [("t", f"{a} {b}"), ("u", f"{b} {c}"), ("u", f"{b} {c}"), ("v", d), ("t", f"{a} {b}"), ("w", f"{a} {c}")]
    openings = ledger(*(dataclasses.replace(DRAFT, test=test, sketch=sketch) for test, sketch in drafts))
    found = {test: count(openings, {test}) for test in "tuvw"}
    assert {test: (each.openings, each.sharing) for test, each in found.items()} == {
        "t": (2, 3),
        "u": (2, 3),
        "v": (1, 0),
        "w": (1, 4),
    }
    assert count(openings, {"t", "u"}).sharing == 1
    assert found["t"].said("it").endswith(", by 1 model; sets that share images with it: 3 openings")
    assert count(openings, {"t", "u"}).said("it").endswith("; sets that share images with it: 1 opening")
    assert found["u"].said("it", "line 3").endswith(", by 1 model (line 3); sets that share images with it: 3 openings")
