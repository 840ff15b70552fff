import json
import os

import pytest

from cvrun import changes, config
from cvrun.changes import Entry
from cvrun.errors import CheckpointError

LINE = '{"time": "2026-01-02T03:04:05.678Z", "step": 12, "changes": {"trainer.epochs": [3, 6]}}\n'
ENTRY = Entry("2026-01-02T03:04:05.678Z", 12, {"trainer.epochs": (3, 6)})


def written(path, content):
    (path / "changes.jsonl").write_bytes(content.encode() if isinstance(content, str) else content)
    return path / "changes.jsonl"


def test_no_file_is_no_change(tmp_path):
    assert changes.read(tmp_path / "changes.jsonl") == []


def test_lines_are_read_in_order(tmp_path):
    path = written(tmp_path, LINE + LINE.replace("12", "24").replace("[3, 6]", "[6, 9]"))
    assert [entry.step for entry in changes.read(path)] == [12, 24]
    assert changes.values(changes.read(path)) == [("trainer.epochs", 6), ("trainer.epochs", 9)]
    assert changes.read(path)[0] == ENTRY


def test_what_is_written_is_read_back(tmp_path):
    node = {"option": "patience", "patience": 3, "start_from_epoch": 0.0, "baseline": None}
    entries = [ENTRY, Entry("t", 0, {"early_stopping": ({"option": "never"}, node), "optimizer.lr": (0.1, 1e-7)})]
    changes.write(tmp_path / "changes.jsonl", entries)
    assert changes.read(tmp_path / "changes.jsonl") == entries
    lines = (tmp_path / "changes.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [12, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["changes.jsonl"]


@pytest.mark.parametrize("torn", [LINE[:20], LINE[:-1], '{"time"', "\x00\x00"])
def test_a_line_that_was_not_written_to_its_end_does_not_count(torn, tmp_path):
    assert changes.read(written(tmp_path, LINE + torn)) == [ENTRY]


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[]",
        "3",
        "null",
        "{}",
        LINE.replace("12", '"12"').strip(),
        LINE.replace("12", "-1").strip(),
        LINE.replace("12", "true").strip(),
        LINE.replace("12", "1.5").strip(),
        LINE.replace('"2026-01-02T03:04:05.678Z"', "3").strip(),
        LINE.replace("[3, 6]", "6").strip(),
        LINE.replace("[3, 6]", "[3]").strip(),
        LINE.replace("trainer.epochs", "seed").strip(),
        LINE.replace("trainer.epochs", "workers").strip(),
        LINE.replace("trainer.epochs", "model").strip(),
        LINE.replace("trainer.epochs", "nothing").strip(),
        LINE.replace('{"trainer.epochs": [3, 6]}', "[]").strip(),
        "[" * 100_000,
        "\xff",
    ],
    ids=range(19),
)
def test_a_damaged_line_is_named(line, tmp_path):
    path = written(tmp_path, f"{LINE}{line}\n{LINE}".encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"changes.jsonl, line 2: damaged .*rerun=true") as caught:
        changes.read(path)
    assert caught.value.exit_code == 4 and len(str(caught.value)) < 500


def test_a_file_that_cannot_be_is_not_read(tmp_path):
    with pytest.raises(CheckpointError, match="expected at most 1,048,576"):
        changes.read(written(tmp_path, LINE * 20_000))
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match="cannot be read"):
        changes.read(tmp_path / "folder")


def test_what_differs_between_two_specs():
    before = config.compose(["early_stopping=patience", "trainer.epochs=3"])
    assert changes.difference(before, config.compose(["early_stopping=patience", "trainer.epochs=3"])) == {}
    words = ["early_stopping=patience", "early_stopping.patience=4", "trainer.epochs=6", "tta=hflip", "seed=1"]
    found = changes.difference(before, config.compose([*words, "monitor.mode=max"]))
    assert found == {
        "seed": (0, 1),
        "trainer.epochs": (3, 6),
        "monitor.mode": ("auto", "max"),
        "early_stopping.patience": (10, 4),
        "tta": ({"option": "none"}, {"option": "hflip", "merge": "mean"}),
    }


def test_changes_are_said_as_they_are_written_on_a_command_line():
    node = {"option": "patience", "patience": 3, "baseline": None}
    given = {
        "trainer.epochs": (3, 6),
        "early_stopping": (node, {"option": "never"}),
        "optimizer.nesterov": (False, True),
    }
    assert changes.said(given) == [
        "trainer.epochs 3 -> 6",
        "early_stopping patience (patience=3, baseline=null) -> never",
        "optimizer.nesterov false -> true",
    ]


@pytest.mark.parametrize(
    ("overrides", "changed", "expected"),
    [
        (["seed=1"], [], ["seed=1"]),
        (["trainer.epochs=3", "seed=1"], [("trainer.epochs", 6)], ["seed=1", "trainer.epochs=6"]),
        ([], [("trainer.epochs", 6), ("trainer.epochs", 9)], ["trainer.epochs=9"]),
        (["tta=hflip", "tta.merge=max"], [("tta", {"option": "none"})], ["tta=none"]),
        (["tta=hflip"], [("tta.merge", "max")], ["tta=hflip", "tta.merge=max"]),
        ([], [("tta", {"option": "d4", "merge": "mean"}), ("tta.merge", "max")], ["tta=d4", "tta.merge=max"]),
        (["+trainer.epochs=3"], [("trainer.epochs", 6)], ["trainer.epochs=6"]),
    ],
)
def test_a_command_line_as_it_would_be(overrides, changed, expected):
    assert changes.as_overrides(overrides, changed) == expected
    assert changes.as_overrides(expected, changed) == expected


def test_a_pipe_in_place_of_the_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "changes.jsonl")
    with pytest.raises(CheckpointError, match="is no file"):
        changes.read(tmp_path / "changes.jsonl")
