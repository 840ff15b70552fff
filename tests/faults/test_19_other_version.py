"""Row 19: each older format is read, by way of its migrations; a newer one is refused with exit code 4."""

import json
import shutil
from pathlib import Path

import kit
import pytest
import torch

from cvrun import config
from cvrun.build import build_loggers, build_run
from cvrun.errors import CheckpointError
from cvrun.prepare import prepare
from cvrun.trainer import checkpoint, commit
from cvrun.trainer.belonging import check_meta
from cvrun.trainer.cost import Cost
from cvrun.trainer.loop import load_state

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "checkpoints"
DIGESTS = json.loads((GOLDEN / "digests.json").read_text())
FORMATS = sorted(GOLDEN.glob("format-*"))

COMMAND = [
    "model.width=4",
    "model.blocks=[1]",
    "optimizer.momentum=0.9",
    "trainer.batch_size=300",
    "trainer.epochs=1",
    "trainer.ema_decay=0.9",
    "logger=[]",
    "threads=1",
    "device=cpu",
    "name=golden",
]
"""What made them, as the README beside them says."""


@pytest.fixture
def built(tmp_path):
    """Run and state of the same spec, built by today's code."""
    prepared = prepare(config.compose([*COMMAND, f"output_root={tmp_path / 'out'}"]))
    prepared.plan.folder.path.mkdir(parents=True)
    recorder = build_loggers(prepared.plan)
    yield build_run(prepared, recorder, None, None, Cost())
    recorder.close()


def test_there_is_one_of_each_format_and_a_way_to_today():
    numbers = list(range(1, commit.FORMAT + 1))
    assert [path.name for path in FORMATS] == list(DIGESTS) == [f"format-{number}" for number in numbers]
    assert sorted(checkpoint.MIGRATIONS) == numbers[:-1]
    for number, folder in zip(numbers, FORMATS, strict=True):
        assert sorted(path.name for path in folder.iterdir()) == ["best-00000004", "step-00000004"]
        for manifest in folder.glob("*/manifest.json"):
            assert json.loads(manifest.read_text())["format"] == number


@pytest.mark.parametrize("folder", FORMATS, ids=lambda path: path.name)
def test_a_state_loads_into_one_of_today(folder, built, digest):
    run, state = built
    content = checkpoint.read(folder / "step-00000004")
    assert set(content) >= {"meta", "rng_scheme", "state"} and content["rng_scheme"] == 1
    fresh = digest(state.state_dict())
    assert content["state"].keys() == state.state_dict().keys()
    assert digest(content["state"]) == DIGESTS[folder.name]["state"] != fresh
    load_state(state, content["state"], content["state"]["step"], 10**6, "golden")
    assert digest(state.model.state_dict()) == DIGESTS[folder.name]["model"]
    assert digest(state.state_dict()) == DIGESTS[folder.name]["state"]
    assert (state.step, state.evaluated, state.best.step) == (4, 4, 4)
    # The id of a run is that of its keys, of which there are more today; all else is the same.
    saved = {**content["meta"], "run_id": run.checkpoint_meta["run_id"]}
    check_meta("golden", saved, run.checkpoint_meta)
    # There was no correction of probabilities then, and no choice of several devices.
    assert {*saved, "prior_shift"} == run.checkpoint_meta.keys()
    assert {*saved["environment"], "devices"} == run.checkpoint_meta["environment"].keys()
    assert saved["environment"]["deterministic"] == "False"


@pytest.mark.parametrize("folder", FORMATS, ids=lambda path: path.name)
def test_best_weights_load_into_a_model_of_today(folder, built, digest):
    _, state = built
    best = checkpoint.read(folder / "best-00000004")
    assert {"meta", "step", "score", "model"} <= set(best)
    assert best["step"] == 4 and best["meta"]["classes"] == [str(number) for number in range(10)]
    assert best["meta"]["environment"]["deterministic"] == "False"
    checkpoint.load_weights(state.model, best["model"], "golden")
    assert digest(state.model.state_dict()) == DIGESTS[folder.name]["best"]


def test_a_run_of_format_1_goes_on_and_is_written_in_today_s(words, whole, tmp_path):
    """Its newest state is put back into what format 1 was: no strict kernels in the environment, all in one file."""
    assert kit.run(words, tmp_path, "checkpoint.before_prune@2=kill").code == 137
    folder = kit.run_folder(tmp_path)
    for path in checkpoint.commits(folder / "checkpoints", "step"):
        content = checkpoint.read(path)
        del content["meta"]["environment"]["deterministic"]
        rewrite(path, content, 1)
    for path in checkpoint.commits(folder / "checkpoints", "best"):
        rewrite(path, checkpoint.read(path), 1)
    said = kit.run(["resume", folder], tmp_path)
    assert said.code == 0, said.err
    assert "going on from step 6" in said.err and "not the same bits" not in said.err
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]
    newest = folder / "checkpoints" / "step-00000009" / "manifest.json"
    assert json.loads(newest.read_text())["format"] == commit.FORMAT


def rewrite(path: Path, content, number: int) -> None:
    from foreign import forge, saved

    shutil.rmtree(path)
    path.mkdir()
    (path / "manifest.json").write_text(json.dumps({"format": number, "step": 0, "files": {"state.pt": {}}}))
    forge(path, "state.pt", saved({**content, "format": number}))


def test_a_newer_one_is_refused_and_nothing_is_touched(whole, call, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "outputs" / "f" / whole.name)
    (folder / "status.json").write_text('{"state": "interrupted", "step": 9, "seconds": 1.0, "score": null}')
    for manifest in (folder / "checkpoints").glob("*/manifest.json"):
        content = json.loads(manifest.read_text())
        manifest.write_text(json.dumps({**content, "format": commit.FORMAT + 1}))
    before = {path: path.read_bytes() for path in (folder / "checkpoints").rglob("*") if path.is_file()}
    rows = (folder / "records.jsonl").read_bytes()
    for words in (["resume", folder], ["eval", folder]):
        said = call(*words)
        assert said.code == 4
        assert f"format {commit.FORMAT + 1}, expected at most {commit.FORMAT}; use a newer cvrun" in said.err
    assert {path: path.read_bytes() for path in (folder / "checkpoints").rglob("*") if path.is_file()} == before
    assert (folder / "records.jsonl").read_bytes() == rows


def test_a_format_between_without_its_migration_would_be_noticed(monkeypatch):
    monkeypatch.setattr(checkpoint, "MIGRATIONS", {})
    with pytest.raises(CheckpointError, match="not those of a checkpoint"):
        checkpoint.read(GOLDEN / "format-1" / "step-00000004")


def test_an_environment_that_was_not_known_yet_is_added():
    content = checkpoint.read(GOLDEN / "format-1" / "step-00000004")
    raw = torch.load(GOLDEN / "format-1" / "step-00000004" / "state.pt", weights_only=True)
    assert "deterministic" not in raw["meta"]["environment"]
    assert content["meta"]["environment"] == {**raw["meta"]["environment"], "deterministic": "False"}
    assert (content["format"], raw["format"]) == (2, 1)
