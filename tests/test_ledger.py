"""The ledger of opened test sets, as a file."""

import dataclasses
import os
import stat
import subprocess
import sys
import textwrap

import pytest

from cvrun import fault, ledger
from cvrun.errors import CheckpointError, ConfigError, StorageError
from cvrun.opening import Draft

DRAFT = Draft("run/1", "1", "c" * 64, "w" * 64, "best", 12, "t" * 64, "0" * 16, "s" * 64, None, 180, 0, None)


@pytest.fixture(autouse=True)
def disarmed():
    yield
    fault.arm("")


@pytest.fixture
def path(tmp_path):
    return tmp_path / ledger.NAME


def add(path, warn=None, **values):
    draft = dataclasses.replace(DRAFT, **values)
    return ledger.append(path, lambda openings: draft, warn or (lambda line: pytest.fail(line)))


def test_a5_n_openings_are_n_rows(path):
    assert ledger.read(path) == []
    found = [add(path) for _ in range(5)]
    assert len(path.read_bytes().splitlines()) == 5
    assert ledger.read(path) == found
    assert [opening.number for opening in found] == [1, 2, 3, 4, 5]


def test_what_is_there_is_told_before_a_line_is_written_and_may_refuse_it(path):
    first = add(path)
    before = path.read_bytes()

    def refuse(openings):
        assert openings == [first]
        raise ConfigError("no")

    with pytest.raises(ConfigError):
        ledger.append(path, refuse, print)
    assert path.read_bytes() == before


def test_the_ledger_lies_two_folders_up_also_of_a_link(tmp_path, monkeypatch):
    run = tmp_path / "outputs/digits/3fa9c1d2"
    run.mkdir(parents=True)
    (tmp_path / "elsewhere").symlink_to(run)
    monkeypatch.chdir(run)
    for given in (run, tmp_path / "elsewhere", run / ".", type(run)(".")):
        assert ledger.place(given) == tmp_path.resolve() / "outputs" / "test-ledger.jsonl"


def test_a_torn_line_is_kept_in_the_next_one_and_said(path):
    first, second = add(path), add(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert ledger.read(path) == [first]
    said = []
    third = add(path, said.append)
    assert third.number == 2 and third.previous == first.hash
    assert third.torn == ledger.encoded(second)[:-20].decode()
    assert len(said) == 1 and "was never finished, so nothing was opened by it" in said[0]
    assert ledger.read(path) == [first, third]
    assert add(path).torn is None


def test_a_line_whose_end_alone_is_missing_counts(path):
    found = [add(path), add(path)]
    path.write_bytes(path.read_bytes()[:-1])
    assert ledger.read(path) == found
    found.append(add(path))
    assert ledger.read(path) == found
    assert path.read_bytes().count(b"\n") == 3


def test_a_kill_while_a_line_is_written_does_not_brick_it(path):
    program = textwrap.dedent(
        f"""
        import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
        from pathlib import Path
        from test_ledger import add
        add(Path({str(path)!r}), warn=print)
        """
    )
    for place, rows in (("ledger.write", 0), ("ledger.written", 1)):
        environment = {**os.environ, "CVRUN_FAULT": f"{place}=SIGKILL"}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, timeout=60)
        assert done.returncode == -9, done.stderr
        assert len(ledger.read(path)) == rows
    assert add(path).number == 2


def test_a_full_disk_leaves_nothing_of_a_line(path):
    add(path)
    before = path.read_bytes()
    for place in ("ledger.write", "ledger.written"):
        fault.arm(f"{place}=enospc")
        with pytest.raises(StorageError, match=r"test-ledger.jsonl: cannot be written \(No space left on device\)"):
            add(path)
        assert path.read_bytes() == before


def test_a5_processes_that_write_at_once_make_one_chain(path):
    program = textwrap.dedent(
        f"""
        import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
        from pathlib import Path
        from test_ledger import add
        sys.stdin.readline()
        for _ in range(20):
            add(Path({str(path)!r}), run=sys.argv[1])
        """
    )
    words = [sys.executable, "-c", program]
    children = [subprocess.Popen([*words, f"run/{i}"], stdin=subprocess.PIPE) for i in range(3)]
    for child in children:
        child.stdin.write(b"go\n")
        child.stdin.flush()
    assert [child.wait(60) for child in children] == [0, 0, 0]
    for child in children:
        child.stdin.close()
    found = ledger.read(path)
    assert [opening.number for opening in found] == list(range(1, 61))
    assert {name: sum(opening.run == name for opening in found) for name in ("run/0", "run/1", "run/2")} == {
        "run/0": 20,
        "run/1": 20,
        "run/2": 20,
    }


def test_a_run_keeps_its_own_lines(path, tmp_path):
    run = tmp_path / "run" / "1"
    run.mkdir(parents=True)
    for name in ("run/1", "run/2", "run/1"):
        add(path, run=name)
    openings = ledger.read(path)
    ledger.keep_copy(run, openings, "run/1")
    assert ledger.copies(run / "test.jsonl") == [openings[0], openings[2]]
    ledger.keep_copy(run, openings[:1], "run/1")
    assert ledger.copies(run / "test.jsonl") == [openings[0], openings[2]]


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a5_what_is_cut_off_the_end_is_missed(path, tmp_path, kept):
    run = tmp_path / "run" / "1"
    run.mkdir(parents=True)
    for _ in range(3):
        add(path)
    openings = ledger.read(path)
    ledger.keep_copy(run, openings, "run/1")
    ledger.require_whole(path, openings, [run])
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:kept]))
    before = path.read_bytes()
    if kept == 0:
        path.unlink()
    with pytest.raises(CheckpointError, match=f"line {kept + 1} of .* is missing, {run}/test.jsonl has it"):
        ledger.require_whole(path, ledger.read(path), [run])
    # No other run may go on with it either.
    with pytest.raises(CheckpointError, match=f"line {kept + 1} of "):
        add(path, run="run/2")
    assert path.read_bytes() == before


def test_a_copy_that_was_changed_is_named(path, tmp_path):
    run = tmp_path / "run" / "1"
    run.mkdir(parents=True)
    add(path)
    ledger.keep_copy(run, ledger.read(path), "run/1")
    copy = run / "test.jsonl"
    copy.write_bytes(copy.read_bytes().replace(b"best", b"last"))
    with pytest.raises(CheckpointError, match=r"run/1/test.jsonl, line 1: is not as it was written"):
        ledger.copies(copy)
    # Whichever run goes on has to be told which folder is meant, and how to go on.
    for action in (lambda: add(path, run="run/2"), lambda: ledger.whole(path)):
        with pytest.raises(CheckpointError, match="^run run/1: its copy of the ledger is damaged: ") as caught:
            action()
        said = str(caught.value)
        assert f"{copy}, line 1: is not as it was written" in said
        assert said.endswith(
            f"put the file back as it was; or move {run} elsewhere; until then no run beside it opens a test set"
        )
    before = copy.read_bytes()
    run.rename(tmp_path / "aside")
    assert add(path, run="run/2").number == 2
    assert (tmp_path / "aside/test.jsonl").read_bytes() == before


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
@pytest.mark.parametrize("name", ["test-ledger.jsonl", "run/1/test.jsonl"])
def test_nothing_may_stand_in_for_a_file(tmp_path, kind, name):
    path, other = tmp_path / name, tmp_path / "other"
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        other.write_bytes(b"")
    if kind in ("link", "dangling"):
        path.symlink_to(other)
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    read = ledger.read if name == "test-ledger.jsonl" else ledger.copies
    for action in (lambda: read(path), lambda: add(tmp_path / "test-ledger.jsonl")):
        with pytest.raises(ConfigError, match="a link, a folder or no file, expected a file of its own"):
            action()
    assert not other.exists() or other.read_bytes() == b""


def test_a_file_that_cannot_be_meant_is_not_read(path):
    with path.open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(CheckpointError, match="67,108,865 bytes, expected at most 67,108,864"):
        ledger.read(path)


def test_a_file_that_takes_no_line_is_an_error_of_storage(path, monkeypatch):
    add(path)

    def refuse(handle, data):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(StorageError, match="Operation not permitted"):
        add(path)


def test_a_line_never_needs_more_than_to_be_added(path, monkeypatch):
    """What chattr +a allows."""
    monkeypatch.setattr(os, "ftruncate", lambda *given: pytest.fail("it was cut"))
    add(path)
    add(path)
    assert stat.S_ISREG(path.lstat().st_mode) and len(ledger.read(path)) == 2
