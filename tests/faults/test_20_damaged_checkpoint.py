"""Row 20: a damaged commit is named and passed over for the one before it, at no cost in bits; none left: exit 4."""

import json
import os
import random
import shutil
from pathlib import Path

import kit
import pytest

from cvrun.trainer import checkpoint


def truncated(path: Path) -> None:
    os.truncate(path / "state.pt", (path / "state.pt").stat().st_size // 2)


def flipped(path: Path) -> None:
    data = bytearray((path / "state.pt").read_bytes())
    data[random.Random(20).randrange(len(data))] ^= 16
    (path / "state.pt").write_bytes(bytes(data))


def garbage(path: Path) -> None:
    (path / "state.pt").write_bytes(random.Random(0).randbytes((path / "state.pt").stat().st_size))


def empty(path: Path) -> None:
    (path / "state.pt").write_bytes(b"")


def no_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


def of_the_other(path: Path) -> None:
    shutil.copy(path.parent / "step-00000003" / "manifest.json", path / "manifest.json")


def deep_manifest(path: Path) -> None:
    (path / "manifest.json").write_text('{"format": 2, "files": ' + "[" * 100_000 + "]" * 100_000 + "}")


def large_manifest(path: Path) -> None:
    with (path / "manifest.json").open("a") as file:
        file.write(" " * (10 << 20))


def named(path: Path, name: str) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"] = {name: manifest["files"]["state.pt"]}
    (path / "manifest.json").write_text(json.dumps(manifest))


def leading_out(path: Path) -> None:
    shutil.move(path / "state.pt", path.parent.parent / "state.pt")
    named(path, "../../state.pt")


def absolute(path: Path) -> None:
    named(path, f"{path}/state.pt")


def link(path: Path) -> None:
    shutil.move(path / "state.pt", path.parent.parent / "state.pt")
    (path / "state.pt").symlink_to(path.parent.parent / "state.pt")


DAMAGES = [truncated, flipped, garbage, empty, no_manifest, of_the_other]
HOSTILE = [deep_manifest, large_manifest, leading_out, absolute]


@pytest.mark.parametrize("damage", [*DAMAGES, *HOSTILE], ids=lambda damage: damage.__name__)
def test_the_one_before_it_is_taken_and_costs_no_bits(run, whole, tmp_path, damage):
    damage(run / "checkpoints" / "step-00000006")
    said = kit.run(["resume", run], tmp_path)
    assert said.code == 0, said.err
    lines = [line for line in said.err.splitlines() if "trying the one before it" in line]
    assert len(lines) == 1 and "step-00000006" in lines[0]
    assert "going on from step 3\n" in said.err
    assert lines[0] in (run / "log.txt").read_text()
    assert kit.records(run) == kit.records(whole)
    assert kit.status(run)["digest"] == kit.status(whole)["digest"]
    # What was damaged is whole again, since its step was made anew.
    assert checkpoint.read(run / "checkpoints" / "step-00000006")["state"]["step"] == 6


@pytest.mark.parametrize("damage", DAMAGES[:5], ids=lambda damage: damage.__name__)
def test_with_all_damaged_nothing_is_overwritten(run, call, damage):
    for path in checkpoint.commits(run / "checkpoints", "step"):
        damage(path)
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "log.txt"}
    kept = {path: data for path, data in kept.items() if path.name not in (".lock", "status.json")}
    said = call("resume", run)
    assert said.code == 4
    last = said.err.splitlines()[-1]
    assert "no intact checkpoint is left" in last and "rerun=true starts afresh" in last
    for step in (3, 6):
        assert f"step-0000000{step}" in said.err
    assert {path: path.read_bytes() for path in kept} == kept
    assert {path for path in run.rglob("*") if path.is_file()} >= set(kept)
    assert kit.status(run)["state"] == "failed"


def test_damaged_best_weights_are_no_other_s(whole, call, tmp_path):
    """They are what is asked for, so none takes their place."""
    folder = shutil.copytree(whole, tmp_path / "outputs" / "f" / whole.name)
    (path,) = checkpoint.commits(folder / "checkpoints", "best")
    data = bytearray((path / "model.safetensors").read_bytes())
    data[-5] ^= 1
    (path / "model.safetensors").write_bytes(bytes(data))
    said = call("eval", folder)
    assert said.code == 4 and "best-00000003" in said.err and "damaged, its sha256 is not the one" in said.err


def test_a_link_is_refused_whatever_it_leads_to(run, words, whole, call, tmp_path):
    """Nobody who made the folder with cvrun put one there."""
    link(run / "checkpoints" / "step-00000006")
    said = call("resume", run)
    assert said.code == 2 and "state.pt: a link inside a run" in said.err
    said = kit.run(words, tmp_path)
    assert said.code == 2 and "state.pt: a link inside a run" in said.err


def made(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(bytes(data))


def test_with_the_best_weights_damaged_a_state_with_whole_ones_is_taken(words, whole, tmp_path):
    """Each evaluation is better than the one before, so each state names best weights of its own."""
    better = (*words, "monitor.metric=val/loss")
    assert kit.run(better, made(tmp_path / "a"), "finish.begin=kill").code == 137
    run = kit.run_folder(tmp_path / "a")
    assert kit.status(run)["best_step"] == 9
    flip(run / "checkpoints" / "best-00000009" / "model.safetensors")
    said = kit.run(better, made(tmp_path / "a"))
    assert said.code == 0, said.err
    assert "best-00000009/model.safetensors: damaged" in said.err
    assert "going on from step 6" in said.err
    assert kit.run(better, made(tmp_path / "b")).code == 0
    assert kit.status(run)["digest"] == kit.status(kit.run_folder(tmp_path / "b"))["digest"]


def test_with_the_best_weights_of_every_state_damaged_the_best_is_looked_for_anew(words, whole, tmp_path):
    """The accuracy of `words` is best at its first evaluation, which every state names."""
    assert kit.run(words, tmp_path, "finish.begin=kill").code == 137
    run = kit.run_folder(tmp_path)
    assert kit.status(run)["best_step"] == 3
    flip(run / "checkpoints" / "best-00000003" / "model.safetensors")
    said = kit.run(words, tmp_path)
    assert said.code == 0, said.err
    assert "warning: the best weights (step 3, val/accuracy 0.25) are damaged" in said.err
    assert "going on from step 9" in said.err
    assert (kit.status(run)["state"], kit.status(run)["best_step"]) == ("finished", 9)
