import fcntl
import os
import threading
import time

import pytest

from cvrun.lock import is_locked, lock, wait


@pytest.fixture
def handles(tmp_path):
    """Gives open files of one path; locks of different ones exclude each other, as those of processes do."""
    opened = []

    def handle():
        opened.append(os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT, 0o600))
        return opened[-1]

    yield handle
    for number in opened:
        os.close(number)


def test_one_at_a_time(handles, tmp_path):
    first, second = handles(), handles()
    assert not is_locked(tmp_path / ".lock")
    assert lock(first) and not lock(second)
    assert is_locked(tmp_path / ".lock")
    fcntl.flock(first, fcntl.LOCK_UN)
    assert not is_locked(tmp_path / ".lock") and lock(second)


def test_what_looks_at_it_lets_go(handles, monkeypatch):
    first, looking = handles(), handles()
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda seconds: fcntl.flock(looking, fcntl.LOCK_UN))
    assert lock(first)


def test_what_is_not_there_is_not_locked(tmp_path):
    assert not is_locked(tmp_path / ".lock")
    os.mkfifo(tmp_path / "pipe")
    assert not is_locked(tmp_path / "pipe")


def test_who_waits_gets_it_in_the_end(handles):
    first, second = handles(), handles()
    assert lock(first)
    waiting = threading.Thread(target=wait, args=(second,))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    fcntl.flock(first, fcntl.LOCK_UN)
    waiting.join(30)
    assert not waiting.is_alive() and not lock(first)
