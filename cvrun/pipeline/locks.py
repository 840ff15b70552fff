"""Locks on files, which the kernel lets go of when a process ends, however it does.

A lock counts only while its file has its name: whoever waited for one that was removed meanwhile has nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from cvrun.folder import now


class Held:
    """A lock that is held until it is released, or nothing refers to it any more."""

    def __init__(self, handle: int) -> None:
        """Keep the open file that is locked."""
        self._handle = handle

    def release(self) -> None:
        """Let go."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __del__(self) -> None:
        """Let go."""
        self.release()


def share(path: Path) -> Held | None:
    """Lock a file together with others that share it, and sign it; None: it is not there, or somebody's alone."""
    for attempt in range(5):
        held = _open(path)
        if held is None:
            return None
        try:
            if _take(held, fcntl.LOCK_SH | fcntl.LOCK_NB) and _has_name(held, path):
                _sign(held)
                return held
        except OSError:
            # The file system has no locks.
            return None
        # Whoever asks for the holder has it alone for a moment.
        time.sleep(0.01 * attempt)
    return None


def alone(path: Path, create: bool = False) -> Held | None:
    """Lock a file that nobody else has locked; None: somebody has, or it is not there and not to be created."""
    held = _open(path, create)
    with contextlib.suppress(OSError):
        if held is not None and _take(held, fcntl.LOCK_EX | fcntl.LOCK_NB) and _has_name(held, path):
            return held
    return None


def wait_for(path: Path, waits: Callable[[str], object]) -> Held:
    """Lock a file alone, created where needed, and sign it.

    Args:
        path: The file.
        waits: Told who has locked it, once, if that has to be waited for.

    Raises:
        OSError: If it cannot be created or locked.
    """
    told = False
    while True:
        held = Held(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if not _take(held, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if not told:
                waits(_signature(held))
            told = True
            _take(held, fcntl.LOCK_EX)
        if _has_name(held, path):
            _sign(held)
            return held


def holder(path: Path) -> str:
    """Give who was the last to lock a file, or "" if nobody has it now."""
    held = _open(path)
    with contextlib.suppress(OSError):
        if held is not None and not _take(held, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return _signature(held)
    return ""


def _open(path: Path, create: bool = False) -> Held | None:
    """Open a file, to be written where that is allowed."""
    for flags in (os.O_RDWR | (os.O_CREAT if create else 0), os.O_RDONLY):
        with contextlib.suppress(OSError):
            return Held(os.open(path, flags, 0o600))
    return None


def _take(held: Held, how: int) -> bool:
    """Lock an open file; False: others have it."""
    try:
        fcntl.flock(held._handle, how)
        return True
    except BlockingIOError:
        return False


def _has_name(held: Held, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(held._handle), os.stat(path))
    except OSError:
        return False


def _signature(held: Held) -> str:
    return os.pread(held._handle, 500, 0).decode(errors="replace").strip() or "another process"


def _sign(held: Held) -> None:
    """Write into a file who has locked it; its time is that of now. A folder of others may not allow it."""
    with contextlib.suppress(OSError):
        line = f"process {os.getpid()} on {socket.gethostname()} since {now()}".encode()
        os.pwrite(held._handle, line, 0)
        os.truncate(held._handle, len(line))
