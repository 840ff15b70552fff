"""The lock of a folder: a file that a process holds; the kernel lets go when the process ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


def lock(handle: int) -> bool:
    """Lock an open file, and give whether that went well.

    It tries again for a moment, since is_locked of another process takes the lock as well.
    """
    for attempt in range(5):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.01 * attempt)
    return False


def wait(handle: int) -> None:
    """Lock an open file, however long others have it.

    Raises:
        OSError: If its file system has no locks.
    """
    fcntl.flock(handle, fcntl.LOCK_EX)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a file; one that is not there or cannot be locked is held by nobody."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False
