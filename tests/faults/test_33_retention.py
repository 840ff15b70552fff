"""Row 33: newest two, best, what it went on from stay; others go when the new one is verified, or it is a warning."""

import errno
import os
import shutil
from types import SimpleNamespace

import kit
import pytest

from cvrun.trainer import checkpoint, commit

OFTEN = ("trainer.save_every=1st",)


def names(folder) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def steps(*numbers: int) -> list[str]:
    return [f"step-{number:08d}" for number in numbers]


def test_the_newest_two_and_the_best_stay(words, tmp_path):
    assert kit.run([*words, *OFTEN], tmp_path).code == 0
    folder = kit.run_folder(tmp_path)
    # Its best weights are those of the first evaluation, as those of `whole`.
    assert names(folder) == ["best-00000003", "last", *steps(8, 9)]
    assert kit.status(folder)["best_step"] == 3


def test_what_a_run_went_on_from_stays(words, tmp_path):
    often = [*words, *OFTEN]
    assert kit.run(often, tmp_path, "checkpoint.before_prune@4=kill").code == 137
    folder = kit.run_folder(tmp_path)
    assert names(folder) == ["best-00000003", "last", *steps(2, 3, 4)]
    said = kit.run(often, tmp_path)
    assert said.code == 0 and "going on from step 4\n" in said.err
    assert names(folder) == ["best-00000003", "last", *steps(4, 8, 9)]
    # The next process went on from step 9, so step 4 is one of many.
    assert kit.run(["resume", folder, "trainer.epochs=4"], tmp_path).code == 0
    assert names(folder) == ["best-00000003", "last", *steps(9, 11, 12)]


def test_with_the_newest_damaged_it_went_on_from_the_one_before(words, whole, tmp_path):
    often = [*words, *OFTEN]
    assert kit.run(often, tmp_path, "checkpoint.before_prune@5=kill").code == 137
    folder = kit.run_folder(tmp_path)
    assert names(folder)[2:] == steps(3, 4, 5)
    (folder / "checkpoints" / "step-00000005" / "state.pt").write_bytes(b"")
    said = kit.run(often, tmp_path)
    assert said.code == 0 and "going on from step 4\n" in said.err
    assert names(folder) == ["best-00000003", "last", *steps(4, 8, 9)]


@pytest.mark.parametrize("step", [3, 4, 5])
def test_nothing_goes_before_the_new_one_is_verified(words, tmp_path, step):
    assert kit.run([*words, *OFTEN], tmp_path, f"checkpoint.before_prune@{step}=kill").code == 137
    folder = kit.run_folder(tmp_path)
    assert names(folder) == ["best-00000003", "last", *steps(step - 2, step - 1, step)]
    for name in names(folder)[2:]:
        commit.read(folder / "checkpoints" / name)


def test_a_new_one_that_reads_back_otherwise_pushes_none_out(words, whole, call, tmp_path, monkeypatch):
    real = commit._write

    def write(path, data):
        bad = path.name == "state.pt" and "step-00000005" in path.parent.name
        real(path, data[:-1] + bytes([data[-1] ^ 1]) if bad else data)

    monkeypatch.setattr(commit, "_write", write)
    said = call(*words, *OFTEN)
    assert said.code == 7
    assert "step-00000005: reads back as other bytes than were written; the disk or its driver" in said.err
    folder = kit.run_folder(tmp_path)
    assert [name for name in names(folder) if name != "last"] == ["best-00000003", *steps(3, 4)]
    for name in ("best-00000003", *steps(3, 4)):
        commit.read(folder / "checkpoints" / name)


def test_what_cannot_be_removed_is_a_warning(words, whole, call, tmp_path, monkeypatch):
    def rmtree(path, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(checkpoint, "shutil", SimpleNamespace(rmtree=rmtree))
    said = call(*words)
    assert said.code == 0, said.err
    folder = kit.run_folder(tmp_path)
    (line,) = (line for line in said.err.splitlines() if "cannot be removed" in line)
    assert "checkpoints/step-00000003: cannot be removed (Operation not permitted)" in line
    assert line.strip() in (folder / "log.txt").read_text()
    # It has lost its name by then, so that nobody takes what may be a part of it for a commit.
    assert names(folder) == [".tmp-old-step-00000003", "best-00000003", "last", *steps(6, 9)]
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]


@pytest.mark.parametrize("keep", [0, 1])
def test_less_than_two_cannot_be_asked_for(whole, tmp_path, keep):
    folder = shutil.copytree(whole / "checkpoints", tmp_path / "checkpoints")
    said = []
    checkpoint.prune(folder, best_step=3, kept=(), warn=said.append, keep=keep)
    assert sorted(path.name for path in folder.iterdir()) == ["best-00000003", "last", *steps(6, 9)]
    assert said == []


@pytest.mark.parametrize("point", ["mid_write@6", "before_manifest@3", "before_rename@3"])
def test_what_the_dead_left_half_written_goes(words, whole, tmp_path, point):
    assert kit.run(words, tmp_path, f"checkpoint.{point}=kill").code == 137
    folder = kit.run_folder(tmp_path)
    assert [name for name in names(folder) if name.startswith(".tmp-step-00000006-")] == names(folder)[:1]
    assert kit.run(words, tmp_path).code == 0
    # It went on from step 3, which stays.
    assert names(folder) == ["best-00000003", "last", *steps(3, 6, 9)]
