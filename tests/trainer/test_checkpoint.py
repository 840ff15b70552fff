"""States and best weights: what is committed, found, read, migrated and removed."""

import hashlib
import io
import json
import os
import pickle
import random
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from cvrun import fault
from cvrun.errors import CheckpointError, StorageError
from cvrun.trainer import checkpoint, commit

META = {"run_id": "1a2b3c4d", "classes": ["ant", "bee"], "environment": {"threads": "1"}}


@pytest.fixture(autouse=True)
def cleared():
    yield
    fault.arm("")


def content(step: int) -> dict:
    return {"meta": META, "rng_scheme": 1, "state": {"step": step, "model": {"w": torch.full((3,), float(step))}}}


def write(folder: Path, kind: str, step: int, value: float | None = None) -> Path:
    if kind == "step":
        return checkpoint.write_state(folder, step, content(step if value is None else value))
    return checkpoint.write_best(folder, step, 0.5, META, content(step if value is None else value)["state"]["model"])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def lines() -> tuple[list[str], object]:
    said: list[str] = []
    return said, said.append


def test_what_is_committed_is_read_back(tmp_path):
    path = write(tmp_path, "step", 12)
    assert path.name == "step-00000012"
    read = checkpoint.read(path)
    assert (read["state"]["step"], read["meta"], read["rng_scheme"]) == (12, META, 1)
    assert torch.equal(read["state"]["model"]["w"], torch.full((3,), 12.0))
    assert not list(tmp_path.glob(".tmp-*"))


def test_the_newest_is_found_by_step_not_by_time(tmp_path):
    for step in (30, 100, 20):
        write(tmp_path, "step", step)
    write(tmp_path, "best", 200)
    _, warn = lines()
    path, found = checkpoint.newest(tmp_path, "step", warn)
    assert (path.name, found["state"]["step"]) == ("step-00000100", 100)


def test_nothing_is_found_where_there_is_nothing(tmp_path):
    assert checkpoint.newest(tmp_path / "none", "step", print) is None


@pytest.mark.parametrize("kind", ["flip", "truncate", "empty", "no state", "no manifest", "garbage manifest"])
def test_a_damaged_commit_is_passed_over_with_a_word(tmp_path, kind):
    write(tmp_path, "step", 1)
    damaged = write(tmp_path, "step", 2)
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
    assert found["state"]["step"] == 1
    assert len(said) == 1
    assert "step-00000002" in said[0]


def test_when_all_are_damaged_that_is_an_error_of_its_own(tmp_path):
    path = write(tmp_path, "step", 1)
    (path / "state.pt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="no intact checkpoint is left") as caught:
        checkpoint.newest(tmp_path, "step", lambda line: None)
    assert caught.value.exit_code == 4


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path):
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self):
            return (type(canary).touch, (canary,))

    path = write(tmp_path, "step", 1)
    torch.save(Payload(), path / "state.pt", pickle_module=pickle)
    data = (path / "state.pt").read_bytes()
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"]["state.pt"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="refused, it names .*only plain tensors are read"):
        checkpoint.read(path)
    assert not canary.exists()


def test_a_newer_format_is_refused(tmp_path):
    path = write(tmp_path, "step", 1)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["format"] = commit.FORMAT + 1
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="use a newer cvrun"):
        checkpoint.read(path)


def test_a_full_disk_leaves_the_last_commit_and_no_rubbish(tmp_path, monkeypatch):
    write(tmp_path, "step", 1)

    fault.arm("checkpoint.mid_write=enospc")
    with pytest.raises(StorageError, match=r"No space left on device\); needs [\d,]+ bytes, [\d,]+ are free") as caught:
        write(tmp_path, "step", 2)
    assert caught.value.exit_code == 7
    assert names(tmp_path) == ["last", "step-00000001"]


def test_the_same_bytes_are_not_written_again(tmp_path):
    first = write(tmp_path, "step", 1)
    inode = first.stat().st_ino
    assert write(tmp_path, "step", 1).stat().st_ino == inode
    assert write(tmp_path, "step", 1, 9).stat().st_ino != inode
    assert checkpoint.read(first)["state"]["step"] == 9


def test_pruning_keeps_the_newest_two_states_and_what_they_name(tmp_path):
    for step in (1, 2, 3, 4):
        write(tmp_path, "step", step)
    for step in (1, 2, 3, 5):
        write(tmp_path, "best", step)
    (tmp_path / ".tmp-step-00000005-1").mkdir()
    (tmp_path / "notes").mkdir()
    checkpoint.prune(tmp_path, best_step=3, kept=(), warn=print)
    # best-2 is what the older of the two states may name; best-5 is left from work that was lost.
    expected = ["best-00000002", "best-00000003", "last", "notes", "step-00000003", "step-00000004"]
    assert names(tmp_path) == expected


def test_states_that_a_stop_left_do_not_take_the_place_of_others(tmp_path):
    for step in (10, 20, 30, 33, 40, 44, 50):
        write(tmp_path, "step", step)
    for step in (10, 20, 30, 40, 50):
        write(tmp_path, "best", step)
    checkpoint.prune(tmp_path, best_step=50, kept=(), warn=print, keep=3, counts=lambda step: step % 10 == 0)
    # The newest two stay in any case; 44 is one of them.
    assert [checkpoint.step_of(path) for path in checkpoint.commits(tmp_path, "step")] == [50, 44, 40, 30]
    # As many best weights as these may name.
    assert [checkpoint.step_of(path) for path in checkpoint.commits(tmp_path, "best")] == [50, 40, 30, 20]
    write(tmp_path, "step", 60)
    checkpoint.prune(tmp_path, best_step=50, kept=(), warn=print, keep=3, counts=lambda step: step % 10 == 0)
    assert [checkpoint.step_of(path) for path in checkpoint.commits(tmp_path, "step")] == [60, 50, 40]


def test_lost_work_does_not_push_out_best_weights_that_a_state_names(tmp_path):
    # State 90 names best 80; best 100 was committed and the process killed; resumed elsewhere, 100 was no improvement.
    for kind, step in (("best", 80), ("step", 90), ("best", 100), ("step", 100)):
        write(tmp_path, kind, step)
    checkpoint.prune(tmp_path, best_step=80, kept=(), warn=print)
    for kind, step in (("best", 110), ("step", 110)):
        write(tmp_path, kind, step)
    checkpoint.prune(tmp_path, best_step=110, kept=(), warn=print)
    # State 100 names best 80, state 110 names best 110.
    assert [path.name for path in checkpoint.commits(tmp_path, "best")] == ["best-00000110", "best-00000080"]


def test_what_cannot_be_pruned_is_said(tmp_path, monkeypatch):
    for step in (1, 2, 3):
        write(tmp_path, "step", step)

    def refuse(path):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    said, warn = lines()
    checkpoint.prune(tmp_path, best_step=0, kept=(), warn=warn)
    assert len(said) == 1
    assert "step-00000001: cannot be removed (Operation not permitted)" in said[0]


def test_weights_of_another_model_are_refused_with_counts():
    weights = {"weight": torch.zeros(2, 3), "bias": torch.zeros(5), "extra": torch.zeros(1)}
    one, two = r"1 missing \(weight\); 2 unexpected \(bias, extra\)", r"1 unexpected \(extra\)"
    with pytest.raises(CheckpointError, match=f"0 of 1 tensors fit; {one}"):
        checkpoint.load_weights(nn.Linear(3, 2, bias=False), {k: v for k, v in weights.items() if k != "weight"}, "x")
    model = nn.Linear(3, 2)
    before = model.weight.detach().clone()
    with pytest.raises(CheckpointError, match=f"1 of 2 tensors fit; {two}.*bias") as caught:
        checkpoint.load_weights(model, weights, "x")
    assert caught.value.exit_code == 4
    assert torch.equal(model.weight, before)


def test_best_weights_are_safetensors_beside_what_is_known_of_them(tmp_path):
    weights = {"a": torch.randn(2, 3), "b": torch.tensor(3), "c": torch.randn(2, 3, 4, 5).to(torch.bfloat16)}
    weights["a"] = weights["a"].t()
    path = checkpoint.write_best(tmp_path, 7, 0.625, META, weights)
    assert names(path) == ["about.json", "manifest.json", "model.safetensors"]
    stored = load_file(path / "model.safetensors")
    read = checkpoint.read(path)
    assert (read["step"], read["score"], read["meta"]) == (7, 0.625, META)
    for found in (stored, read["model"]):
        assert found.keys() == weights.keys()
        assert all(torch.equal(found[name], value) for name, value in weights.items())
    header = (path / "model.safetensors").read_bytes()
    size = int.from_bytes(header[:8], "little")
    known = json.loads(header[8 : 8 + size])["__metadata__"]
    assert known == {"run_id": "1a2b3c4d", "step": "7", "score": "0.625", "classes": '["ant", "bee"]'}


def test_what_a_run_went_on_from_is_never_removed(tmp_path):
    for kind in ("step", "best"):
        for step in (1, 2, 3, 4, 5):
            write(tmp_path, kind, step)
    checkpoint.prune(tmp_path, best_step=5, kept=("step-00000002", "best-00000001"), warn=print)
    best, states = [f"best-0000000{step}" for step in (1, 4, 5)], [f"step-0000000{step}" for step in (2, 4, 5)]
    assert names(tmp_path) == [*best, "last", *states]


@pytest.mark.parametrize("keep", [-1, 0, 1])
def test_at_least_two_states_are_kept(tmp_path, keep):
    for step in (1, 2, 3):
        write(tmp_path, "step", step)
    checkpoint.prune(tmp_path, best_step=0, kept=(), warn=print, keep=keep)
    assert names(tmp_path) == ["last", "step-00000002", "step-00000003"]


def test_rubbish_goes_even_when_its_maker_had_our_process_id(tmp_path):
    for process in (1, os.getpid()):
        (tmp_path / f".tmp-step-00000009-{process}").mkdir()
        (tmp_path / f".tmp-step-00000009-{process}" / "state.pt").write_bytes(b"half")
    checkpoint.prune(tmp_path, best_step=0, kept=(), warn=print)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["step-1", "step-00000001.bak", "step-0000000a", "best", "last", "notes.txt"])
def test_other_names_are_no_commits_and_stay(tmp_path, name):
    (tmp_path / name).mkdir()
    assert checkpoint.commits(tmp_path, "step") == checkpoint.commits(tmp_path, "best") == []
    checkpoint.prune(tmp_path, best_step=0, kept=(), warn=print)
    assert names(tmp_path) == [name]


def forged(folder: Path, files: dict[str, bytes], number: int = commit.FORMAT) -> Path:
    """A commit whose hashes are right."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    entries = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in files.items()}
    (folder / "manifest.json").write_text(json.dumps({"format": number, "step": 1, "files": entries}))
    return folder


def pickled(value) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("value", [3, [1], {}, {"meta": 3}, {"meta": {"environment": 3}}])
@pytest.mark.parametrize("number", [1, 2])
def test_what_is_no_state_is_refused(tmp_path, value, number):
    path = forged(tmp_path / "step-00000001", {"state.pt": pickled(value)}, number)
    if number == 2 and value == {"meta": {"environment": 3}}:
        # Whether it fits the run is belonging.check_meta's to say.
        assert checkpoint.read(path)["meta"] == {"environment": 3}
        return
    with pytest.raises(CheckpointError, match="holds no state|not those of a checkpoint"):
        checkpoint.read(path)


def test_other_files_than_those_of_a_checkpoint_are_refused(tmp_path):
    model = (write(tmp_path, "best", 1) / "model.safetensors").read_bytes()
    deep = ("[" * 100_000).encode()
    for number, files in enumerate(
        [
            {"readme": b"x"},
            {"model.safetensors": model},
            *({"model.safetensors": model, "about.json": x} for x in (b"3", deep)),
        ]
    ):
        with pytest.raises(CheckpointError, match="not those of a checkpoint"):
            checkpoint.read(forged(tmp_path / f"forged{number}", files))


def test_every_older_format_has_a_migration():
    assert sorted(checkpoint.MIGRATIONS) == list(range(1, commit.FORMAT))
