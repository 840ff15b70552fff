"""A run that earlier code left goes on under today's: same id, same numbers, and every command takes it."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import yaml

from cvrun import options
from cvrun.added import ADDED
from cvrun.sections import MonitorConfig, Settings, TrainerConfig

RUNS = Path(__file__).with_name("runs")
OLD, ID = RUNS / "896c9bf", "abf00280"
WORDS = ["model.width=4", "model.blocks=[1]", "trainer.epochs=2", "trainer.batch_size=300"]
WORDS += ["workers=0", "threads=1", "device=cpu", "logger=jsonl"]
KEYS = json.loads((RUNS / "keys-896c9bf.json").read_text())


@pytest.fixture
def old(tmp_path) -> Path:
    """A copy of the run, where `cvrun train` in tmp_path looks for it."""
    return Path(shutil.copytree(OLD, tmp_path / "outputs" / "run" / ID))


def records(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "time"} for row in rows]


def state(folder: Path) -> tuple[str, int]:
    status = json.loads((folder / "status.json").read_text())
    return status["state"], status["step"]


def test_resumed_it_ends_as_a_run_of_today(call, old, tmp_path):
    assert state(old) == ("interrupted", 6) and len(records(old)) == 1
    said = call("resume", old)
    assert said.code == 0, said.err
    assert state(old) == ("finished", 8)
    said = call("train", *WORDS, "output_root=fresh")
    assert said.code == 0, said.err
    fresh = tmp_path / "fresh" / "run" / ID
    mine, theirs = records(old), records(fresh)
    assert [row["step"] for row in theirs] == [4, 8, 8] and mine[0] == records(OLD)[0]
    # What was recorded then has the metrics that there were then.
    assert set(mine[0]) < set(theirs[0])
    theirs[0] = {name: theirs[0][name] for name in mine[0]}
    assert [list(row) for row in mine] == [list(row) for row in theirs]
    for there, here in zip(mine, theirs, strict=True):
        for name, value in here.items():
            # Six of the steps were made on another processor, as in test_golden.py.
            loose = 0.012 if "loss" not in name and "lr" not in name else 0.0
            assert there[name] == pytest.approx(value, rel=2e-3, abs=loose), (here["step"], name)
    for words in (["eval", old], ["eval", old, "--checkpoint", "last"], ["verify", old]):
        said = call(*words)
        assert said.code == 0, (words, said.err)


def test_the_command_that_made_it_finds_it_and_goes_on(call, old, tmp_path):
    said = call("train", *WORDS)
    assert said.code == 0, said.err
    assert [path.name for path in (tmp_path / "outputs" / "run").iterdir()] == [ID]
    assert state(old) == ("finished", 8) and records(old)[0] == records(OLD)[0]


@pytest.mark.parametrize("command", ["eval", "verify"])
def test_stopped_as_it_is_it_can_be_read(call, old, command):
    said = call(command, old)
    assert said.code == 0, said.err


def test_the_run_lacks_what_was_added_since():
    spec = yaml.safe_load((OLD / "spec.yaml").read_text())
    assert not set(ADDED[""]) & set(spec) and not set(ADDED["model/convnet"]) & set(spec["model"])


@pytest.mark.parametrize("where", list(KEYS))
def test_every_key_since_then_is_known_as_added(where):
    group, _, option = where.partition("/")
    own = {"": Settings, "trainer": TrainerConfig, "monitor": MonitorConfig}
    cls = options.load(group, option).Config if option else own[where]
    today = {field.name for field in dataclasses.fields(cls)}
    assert today - set(KEYS[where]) == set(ADDED.get(where, {}))
    assert set(KEYS[where]) <= today
