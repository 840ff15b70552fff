"""The standard streams, which may be full, closed or without a reader; what is written there must not end a run."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import TextIO


def open_closed() -> None:
    """Put something in place of each standard stream that the caller closed.

    Otherwise a file of a run would get its number, and take what libraries write there.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # Opened to be read only: as on a closed stream, there is nothing to read and a write fails.
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, 1, closefd=False))


def tell(line: str) -> bool:
    """Write a line to standard error; where that fails, drop it with what follows, and give False."""
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        drop(sys.stderr)
        return False
    return True


def without_reader(stream: TextIO) -> bool:
    """Whether a stream is a pipe whose reader has gone."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False


def drop(stream: TextIO) -> None:
    """Let what waits to be written to a stream, and what follows, go nowhere: Python would fail on it when it ends."""
    # A stream of a test or of a notebook has no file.
    with contextlib.suppress(OSError, ValueError):
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, stream.fileno())
        os.close(handle)
        stream.flush()
