import json
import pickle
import random
import shutil

import pytest
import torch
from torch import nn

from cvrun.errors import CheckpointError, StorageError
from cvrun.trainer import checkpoint


def content(step: int) -> dict:
    return {"step": step, "model": {"w": torch.full((3,), float(step))}}


def lines() -> tuple[list[str], object]:
    said: list[str] = []
    return said, said.append


def test_what_is_committed_is_read_back(tmp_path):
    path = checkpoint.commit(tmp_path, "step", 12, content(12))
    assert path.name == "step-00000012"
    read = checkpoint.read(path)
    assert read["step"] == 12
    assert torch.equal(read["model"]["w"], torch.full((3,), 12.0))
    assert not list(tmp_path.glob(".tmp-*"))


def test_the_newest_is_found_by_step_not_by_time(tmp_path):
    for step in (30, 100, 20):
        checkpoint.commit(tmp_path, "step", step, content(step))
    checkpoint.commit(tmp_path, "best", 200, content(200))
    _, warn = lines()
    path, found = checkpoint.newest(tmp_path, "step", warn)
    assert (path.name, found["step"]) == ("step-00000100", 100)


def test_nothing_is_found_where_there_is_nothing(tmp_path):
    assert checkpoint.newest(tmp_path / "none", "step", print) is None


@pytest.mark.parametrize("kind", ["flip", "truncate", "empty", "no state", "no manifest", "garbage manifest"])
def test_a_damaged_commit_is_passed_over_with_a_word(tmp_path, kind):
    checkpoint.commit(tmp_path, "step", 1, content(1))
    damaged = checkpoint.commit(tmp_path, "step", 2, content(2))
    state, manifest = damaged / "state.pt", damaged / "manifest.json"
    data = bytearray(state.read_bytes())
    if kind == "flip":
        position = random.Random(0).randrange(len(data))
        data[position] ^= 4
        state.write_bytes(bytes(data))
    elif kind == "truncate":
        state.write_bytes(bytes(data[:-1]))
    elif kind == "empty":
        state.write_bytes(b"")
    elif kind == "no state":
        state.unlink()
    elif kind == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text('{"files": 3}')
    said, warn = lines()
    _, found = checkpoint.newest(tmp_path, "step", warn)
    assert found["step"] == 1
    assert len(said) == 1
    assert "step-00000002" in said[0]


def test_when_all_are_damaged_that_is_an_error_of_its_own(tmp_path):
    path = checkpoint.commit(tmp_path, "step", 1, content(1))
    (path / "state.pt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="no intact checkpoint is left") as caught:
        checkpoint.newest(tmp_path, "step", lambda line: None)
    assert caught.value.exit_code == 4


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path):
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self):
            return (type(canary).touch, (canary,))

    path = checkpoint.commit(tmp_path, "step", 1, content(1))
    torch.save(Payload(), path / "state.pt", pickle_module=pickle)
    data = (path / "state.pt").read_bytes()
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"]["state.pt"] = {"sha256": checkpoint.hashlib.sha256(data).hexdigest(), "size": len(data)}
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.read(path)
    assert not canary.exists()


def test_a_newer_format_is_refused(tmp_path):
    path = checkpoint.commit(tmp_path, "step", 1, content(1))
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["format"] = checkpoint.FORMAT + 1
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="use a newer cvrun"):
        checkpoint.read(path)


def test_a_full_disk_leaves_the_last_commit_and_no_rubbish(tmp_path, monkeypatch):
    checkpoint.commit(tmp_path, "step", 1, content(1))

    def full(path, data):
        path.write_bytes(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_write", full)
    with pytest.raises(StorageError, match=r"No space left on device\); needs [\d,]+ bytes, [\d,]+ are free") as caught:
        checkpoint.commit(tmp_path, "step", 2, content(2))
    assert caught.value.exit_code == 7
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_the_same_bytes_are_not_written_again(tmp_path):
    first = checkpoint.commit(tmp_path, "step", 1, content(1))
    inode = first.stat().st_ino
    assert checkpoint.commit(tmp_path, "step", 1, content(1)).stat().st_ino == inode
    assert checkpoint.commit(tmp_path, "step", 1, content(9)).stat().st_ino != inode
    assert checkpoint.read(first)["step"] == 9


def test_pruning_keeps_the_newest_two_states_and_what_they_name(tmp_path):
    for step in (1, 2, 3, 4):
        checkpoint.commit(tmp_path, "step", step, content(step))
    for step in (1, 2, 3, 5):
        checkpoint.commit(tmp_path, "best", step, content(step))
    (tmp_path / ".tmp-step-00000005-1").mkdir()
    (tmp_path / "notes").mkdir()
    checkpoint.prune(tmp_path, best_step=3, warn=lambda line: None)
    # best-2 is what the older of the two states may name; best-5 is left from work that was lost.
    expected = ["best-00000002", "best-00000003", "notes", "step-00000003", "step-00000004"]
    assert sorted(path.name for path in tmp_path.iterdir()) == expected


def test_lost_work_does_not_push_out_best_weights_that_a_state_names(tmp_path):
    # State 90 names best 80; best 100 was committed and the process killed; resumed elsewhere, 100 was no improvement.
    for kind, step in (("best", 80), ("step", 90), ("best", 100), ("step", 100)):
        checkpoint.commit(tmp_path, kind, step, content(step))
    checkpoint.prune(tmp_path, best_step=80, warn=lambda line: None)
    for kind, step in (("best", 110), ("step", 110)):
        checkpoint.commit(tmp_path, kind, step, content(step))
    checkpoint.prune(tmp_path, best_step=110, warn=lambda line: None)
    # State 100 names best 80, state 110 names best 110.
    assert [path.name for path in checkpoint.commits(tmp_path, "best")] == ["best-00000110", "best-00000080"]


def test_what_cannot_be_pruned_is_said(tmp_path, monkeypatch):
    for step in (1, 2, 3):
        checkpoint.commit(tmp_path, "step", step, content(step))

    def refuse(path):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    said, warn = lines()
    checkpoint.prune(tmp_path, best_step=0, warn=warn)
    assert len(said) == 1
    assert "step-00000001: cannot be removed (Operation not permitted)" in said[0]


def test_weights_of_another_model_are_refused_with_counts():
    weights = {"weight": torch.zeros(2, 3), "bias": torch.zeros(5), "extra": torch.zeros(1)}
    message = "1 missing, 2 unexpected, 0 of another shape"
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load_weights(nn.Linear(3, 2, bias=False), {k: v for k, v in weights.items() if k != "weight"}, "x")
    with pytest.raises(CheckpointError, match="0 missing, 1 unexpected, 1 of another shape; the first is extra"):
        checkpoint.load_weights(nn.Linear(3, 2), weights, "x")
