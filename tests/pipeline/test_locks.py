"""Locks between processes; for the kernel, each opening of a file is as good as one of another process."""

import os
import threading
import time

import pytest

from cvrun.pipeline import locks


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    return path


def test_many_share_and_nobody_is_alone_meanwhile(file):
    first, second = locks.share(file), locks.share(file)
    assert first is not None and second is not None
    assert locks.alone(file) is None
    first.release()
    assert locks.alone(file) is None
    second.release()
    assert locks.alone(file) is not None


def test_a_lock_ends_with_what_holds_it(file):
    held = locks.share(file)
    assert locks.holder(file).startswith(f"process {os.getpid()} on ")
    del held
    assert locks.holder(file) == ""


def test_sharing_gives_the_file_the_time_of_now(file):
    os.utime(file, (1, 1))
    locks.share(file)
    assert abs(file.stat().st_mtime - time.time()) < 60


def test_nothing_is_shared_with_one_who_is_alone(file):
    alone = locks.alone(file)
    assert locks.share(file) is None
    alone.release()
    assert locks.share(file) is not None


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "lock"
    assert locks.share(path) is None and locks.alone(path) is None and locks.holder(path) == ""
    assert not path.exists()
    assert locks.alone(path, create=True) is not None
    assert path.exists()


def test_a_file_that_may_only_be_read_is_shared_all_the_same(file, monkeypatch):
    real = os.open

    def read_only(path, flags, *rest):
        if flags & os.O_RDWR:
            raise PermissionError
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", read_only)
    held = locks.share(file)
    assert held is not None and locks.alone(file) is None


def test_whoever_waits_is_told_for_whom_once_and_comes_next(file):
    told, got = [], threading.Event()
    first = locks.wait_for(file, told.append)
    assert told == []

    def second():
        held = locks.wait_for(file, told.append)
        got.set()
        held.release()

    thread = threading.Thread(target=second)
    thread.start()
    assert not got.wait(0.2)
    assert len(told) == 1 and told[0].startswith(f"process {os.getpid()} on ") and " since 20" in told[0]
    first.release()
    assert got.wait(20)
    thread.join()


def test_a_lock_whose_file_was_removed_is_taken_anew(file):
    """Whoever had it removes it: the one who waited for it must not believe to be alone with the one after."""
    first = locks.wait_for(file, print)
    told, held = [], []

    def second():
        held.append(locks.wait_for(file, told.append))

    thread = threading.Thread(target=second)
    thread.start()
    while not told:
        time.sleep(0.01)
    file.unlink()
    first.release()
    thread.join(20)
    assert file.exists() and locks.alone(file) is None
    held[0].release()
    assert locks.alone(file) is not None


def test_a_folder_that_takes_nothing(tmp_path):
    with pytest.raises(OSError):
        locks.wait_for(tmp_path / "nowhere" / "lock", print)
