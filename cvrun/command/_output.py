"""The two streams of a command: results, whose reader may go before the work is done, and messages."""

from __future__ import annotations

import os
import sys


def show(text: str) -> None:
    """Write text to standard output; where its reader has gone, this and what follows is dropped."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, sys.stdout.fileno())
        os.close(handle)


def say(line: str) -> None:
    """Write a message to standard error."""
    print(line, file=sys.stderr)
