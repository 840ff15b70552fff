"""Standard output, whose reader may go before the work is done."""

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
