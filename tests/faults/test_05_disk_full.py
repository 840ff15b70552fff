"""Row 5: a full disk: exit 7 with bytes needed and free, the last commit stays; or the run goes on and tries again."""

import re
import shutil
from types import SimpleNamespace

import kit
import pytest

from cvrun.trainer import checkpoint, commit

BEST, STATE = 3, 2
"""Files of a commit: two and a manifest, one and a manifest. In this run the best weights are those of step 3."""

FIRST = BEST + STATE
LAST = BEST + 3 * STATE


def names(folder) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def same(folder, whole) -> None:
    assert kit.records(folder) == kit.records(whole)
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]


@pytest.mark.parametrize("visit", [FIRST + 1, FIRST + STATE, LAST])
def test_it_stops_with_the_last_commit_and_goes_on_later(words, whole, tmp_path, visit):
    said = kit.run(words, tmp_path, f"checkpoint.mid_write@{visit}=enospc")
    assert said.code == 7
    step = 9 if visit == LAST else 6
    size = (whole / "checkpoints" / "step-00000009" / "state.pt").stat().st_size
    needed = (
        rf"step-0000000{step}: cannot be written \(No space left on device\); needs {size:,} bytes, [\d,]+ are free"
    )
    assert re.search(needed, said.err.splitlines()[-1])
    folder = kit.run_folder(tmp_path)
    before = ["step-00000003"] if step == 6 else ["step-00000003", "step-00000006"]
    assert names(folder) == ["best-00000003", "last", *before]
    for path in checkpoint.commits(folder / "checkpoints", "step"):
        commit.read(path)
    status = kit.status(folder)
    assert (status["state"], status["resumable"], status["step"]) == ("failed", True, step - 3)
    assert re.search(needed, status["reason"])
    said = kit.run(["resume", folder], tmp_path)
    assert said.code == 0 and f"going on from step {step - 3}\n" in said.err
    same(folder, whole)


@pytest.mark.parametrize("visit", range(1, FIRST + 1))
def test_at_the_first_commit_the_command_starts_again(words, whole, tmp_path, visit):
    assert kit.run(words, tmp_path, f"checkpoint.mid_write@{visit}=enospc").code == 7
    folder = kit.run_folder(tmp_path)
    assert names(folder) == (["best-00000003", "last"] if visit > BEST else [])
    assert kit.run(words, tmp_path).code == 0
    same(folder, whole)


@pytest.mark.parametrize("visit", [1, BEST, FIRST, FIRST + 1])
def test_it_goes_on_where_that_is_wanted(words, whole, tmp_path, visit):
    """In the first three cases the best weights, or the state that names them, cannot be written at their time."""
    said = kit.run([*words, "disk_full=go_on"], tmp_path, f"checkpoint.mid_write@{visit}=enospc")
    assert said.code == 0, said.err
    step = 3 if visit <= FIRST else 6
    (line,) = (line for line in said.err.splitlines() if "is not committed" in line)
    assert line.startswith("warning: ") and "No space left on device" in line and "bytes, " in line
    assert line.endswith(f"step {step} is not committed, training goes on")
    folder = kit.run_folder(tmp_path)
    assert line in (folder / "log.txt").read_text()
    same(folder, whole)
    assert kit.status(folder)["state"] == "finished"
    # What is missing in between is no state of the end's.
    expected = [f"step-0000000{left}" for left in (3, 6, 9) if left != step][-2:]
    assert names(folder) == ["best-00000003", "last", *expected]
    for path in checkpoint.commits(folder / "checkpoints", "step"):
        named = f"best-{checkpoint.read(path)['state']['best']['step']:08d}"
        assert checkpoint.read(folder / "checkpoints" / named)["step"] == 3


def test_the_last_commit_must_be_there_all_the_same(words, whole, tmp_path):
    said = kit.run([*words, "disk_full=go_on"], tmp_path, f"checkpoint.mid_write@{LAST}=enospc")
    assert said.code == 7
    folder = kit.run_folder(tmp_path)
    assert (kit.status(folder)["state"], kit.status(folder)["resumable"]) == ("failed", True)
    assert names(folder) == ["best-00000003", "last", "step-00000003", "step-00000006"]
    assert kit.run(words, tmp_path).code == 0
    same(folder, whole)


def test_twice_the_size_must_be_free_beforehand(words, whole, call, tmp_path, monkeypatch):
    size = (whole / "checkpoints" / "step-00000009" / "state.pt").stat().st_size
    full = SimpleNamespace(rmtree=shutil.rmtree, disk_usage=lambda path: SimpleNamespace(free=2 * size - 1))
    monkeypatch.setattr(commit, "shutil", full)
    said = call(*words)
    assert said.code == 7
    sizes = f"{2 * size:,} bytes must be free (twice its size) and {2 * size - 1:,} are; free some space"
    assert f"step-00000003: not written, {sizes}" in said.err.splitlines()[-1]
    folder = kit.run_folder(tmp_path)
    # The best weights are smaller, and there was room for them.
    assert names(folder) == ["best-00000003", "last"]
    monkeypatch.setattr(commit, "shutil", shutil)
    assert call(*words).code == 0
    same(folder, whole)


def test_a_file_that_may_not_grow(words, whole, tmp_path):
    """The kernel itself refuses here (RLIMIT_FSIZE, EFBIG): the state is larger than that, all else smaller."""
    sizes = {path.name: path.stat().st_size for path in whole.rglob("*") if path.is_file()}
    limit = 50_000
    assert sizes.pop("state.pt") > limit > max(sizes.values())
    said = kit.run(words, tmp_path, limit=limit)
    assert said.code == 7 and "step-00000003: cannot be written (File too large); needs " in said.err
    folder = kit.run_folder(tmp_path)
    assert names(folder) == ["best-00000003", "last"]
    assert kit.status(folder)["state"] == "failed"
    assert kit.run(words, tmp_path).code == 0
    same(folder, whole)


@pytest.mark.parametrize("point", ["record.write@3", "file.before_replace@7"])
def test_elsewhere_it_ends_the_run_in_either_case(words, whole, tmp_path, point):
    said = kit.run([*words, "disk_full=go_on"], tmp_path, f"{point}=enospc")
    assert said.code == 7 and "No space left on device" in said.err.splitlines()[-1]
    assert kit.run(words, tmp_path).code == 0
    same(kit.run_folder(tmp_path), whole)
