import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cvrun import folder
from cvrun.errors import ConfigError, StorageError
from cvrun.folder import RunFolder, finite, storage_errors, write_atomic

HOLDER = """
import sys, time
from pathlib import Path
from cvrun.folder import RunFolder
with RunFolder(Path(sys.argv[1])).hold():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds tmp_path/run."""
    child = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_write_creates_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.json"]


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_full_disk_keeps_the_old_file_and_names_the_sizes(tmp_path, monkeypatch, where):
    path = tmp_path / "status.json"
    write_atomic(path, b"old")

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*{"fsync": (os, "fsync", full), "replace": (Path, "replace", full)}[where])
    with pytest.raises(StorageError) as caught:
        write_atomic(path, b"x" * 12345)
    assert caught.value.exit_code == 7
    said = re.fullmatch(
        rf"{path}: cannot be written \(No space left on device\); needs 12,345 bytes, ([\d,]+) are free",
        str(caught.value),
    )
    assert said and int(said[1].replace(",", "")) > 0
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_interrupted_write_leaves_no_part(tmp_path, monkeypatch):
    def interrupted(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "status.json", b"new")
    assert list(tmp_path.iterdir()) == []


def test_storage_error_below_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "outputs").write_text("")
    with pytest.raises(StorageError, match="outputs/run/status.json: cannot be written"):
        write_atomic(tmp_path / "outputs" / "run" / "status.json", b"")
    with pytest.raises(StorageError), RunFolder(tmp_path / "outputs" / "run").hold():
        pass


def test_storage_errors_let_others_pass(tmp_path):
    with pytest.raises(ValueError, match="mine"), storage_errors(tmp_path):
        raise ValueError("mine")


def test_status_has_null_for_what_is_not_finite(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.write_status({"score": float("nan"), "all": [float("inf"), 1.5, (-float("inf"), 2)], "state": "diverged"})
    text = run.status.read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "score": None,
        "all": [None, 1.5, [None, 2]],
        "state": "diverged",
    }
    assert run.read_status() == {"score": None, "all": [None, 1.5, [None, 2]], "state": "diverged"}


def test_finite_keeps_everything_else():
    value = {"a": 1, "b": True, "c": None, "d": "nan", "e": {"f": [0.0]}}
    assert finite(value) == value


ODD = (b'{"seconds": "abc"}', b'{"seconds": -5}', b'{"seconds": 1e400}', b'{"step": true}', b'{"metrics": [1]}')


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"3", b"[" * 200_000, *ODD], ids=lambda c: c[:20])
def test_status_that_cannot_be_read_is_none(tmp_path, content):
    run = RunFolder(tmp_path)
    assert run.read_status() is None
    run.status.write_bytes(content)
    assert run.read_status() is None


def test_a_pipe_is_not_waited_for(tmp_path):
    run = RunFolder(tmp_path)
    os.mkfifo(run.status)
    os.mkfifo(tmp_path / ".lock")
    assert run.read_status() is None and not run.is_held()


def test_hold_creates_the_folder_and_lets_go(tmp_path):
    run = RunFolder(tmp_path / "a" / "run")
    assert not run.is_held()
    with run.hold():
        assert run.is_held()
    assert not run.is_held()
    with run.hold():
        pass


def test_hold_is_let_go_after_an_error(tmp_path):
    run = RunFolder(tmp_path / "run")
    with pytest.raises(KeyError), run.hold():
        raise KeyError
    assert not run.is_held()


def test_second_holder_is_refused_and_told_who_it_is(holder, tmp_path):
    run = RunFolder(tmp_path / "run")
    assert run.is_held()
    with pytest.raises(ConfigError) as caught, run.hold():
        pytest.fail("held twice")
    assert caught.value.exit_code == 2
    assert f"held by process {holder.pid} on " in str(caught.value)
    since = re.search(r"since (\S+Z);", str(caught.value))[1]
    assert abs(time.time() - folder.datetime.fromisoformat(since).timestamp()) < 120
    with pytest.raises(ConfigError, match=f"process {holder.pid} "), run.hold():
        pytest.fail("the refusal let others in")


def test_lock_of_a_killed_process_is_taken_over(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    run = RunFolder(tmp_path / "run")
    assert not run.is_held()
    with run.hold():
        assert (run.path / ".lock").read_text().startswith(f"process {os.getpid()} on ")


def test_a_look_at_the_lock_does_not_refuse_a_start(tmp_path, monkeypatch):
    """is_held() takes the lock for a moment; a start in that moment waits for it."""
    run = RunFolder(tmp_path / "run")
    with run.hold():
        pass
    looking = os.open(run.path / ".lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda seconds: fcntl.flock(looking, fcntl.LOCK_UN))
    with run.hold():
        pass
    os.close(looking)


def test_file_system_without_locks_is_a_storage_error(tmp_path, monkeypatch):
    def unsupported(handle, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    run = RunFolder(tmp_path / "run")
    with pytest.raises(StorageError, match="No locks available"), run.hold():
        pass
    assert not run.is_held()


def test_set_aside_keeps_everything_under_a_free_name(tmp_path):
    run = RunFolder(tmp_path / "3fa9c1d2")
    for number in (1, 2):
        with run.hold():
            run.checkpoints.mkdir()
            run.records.write_text(f"run {number}")
            assert run.set_aside() == tmp_path / f"3fa9c1d2.{number}"
            assert [entry.name for entry in run.path.iterdir()] == [".lock"]
            assert run.is_held()
    for number in (1, 2):
        assert (tmp_path / f"3fa9c1d2.{number}" / "records.jsonl").read_text() == f"run {number}"
        assert (tmp_path / f"3fa9c1d2.{number}" / "checkpoints").is_dir()


def test_names_in_the_folder(tmp_path):
    run = RunFolder(tmp_path)
    names = [run.spec, run.plan, run.status, run.records, run.checkpoints, run.predictions]
    assert [path.relative_to(tmp_path).as_posix() for path in names] == [
        "spec.yaml",
        "plan.yaml",
        "status.json",
        "records.jsonl",
        "checkpoints",
        "predictions",
    ]


def test_now_is_utc():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", folder.now())
    assert abs(folder.datetime.fromisoformat(folder.now()).timestamp() - time.time()) < 5


def test_holding_removes_what_killed_processes_left_unfinished(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.checkpoints.mkdir(parents=True)
    left = [folder.path / ".status.json.77.tmp", folder.checkpoints / ".last.77.tmp"]
    kept = [folder.path / "status.json", folder.checkpoints / "last", folder.path / "note.tmp"]
    for path in (*left, *kept):
        path.write_text("x")
    with folder.hold():
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in kept)


def test_a_process_that_does_not_write_neither_holds_nor_writes(tmp_path):
    leader, follower = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run", ours=False)
    with follower.hold():
        follower.write_status({"state": "running"})
        follower.write(follower.diverged, b"{}")
        assert not follower.path.exists()
        with leader.hold(), follower.hold():
            leader.write(leader.diverged, b"{}")
    assert leader.diverged.read_bytes() == b"{}"
