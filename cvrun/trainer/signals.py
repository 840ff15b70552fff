"""Stopping at a step boundary when the user or the system asks."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""What asks a run to stop; SIGUSR1 is what batch systems send some time before they end a job."""


class StopRequest:
    """Remembers the first signal; a second one ends the process at once, which leaves the last commit as it is."""

    def __init__(self) -> None:
        """Begin without a request."""
        self.signal: int | None = None

    @property
    def requested(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    @property
    def name(self) -> str:
        """The signal's name, such as SIGTERM."""
        return signal.Signals(self.signal or signal.SIGINT).name

    @property
    def exit_code(self) -> int:
        """130 after SIGINT, else 143."""
        return exit_code(self.signal or signal.SIGINT)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if self.signal is not None:
            os._exit(exit_code(number))
        self.signal = number
        line = f"{signal.Signals(number).name}: stopping at the next step; once more to quit at once\n"
        # The signal may have come while a stream was being written to, which no stream allows twice at once.
        with contextlib.suppress(OSError):
            os.write(2, line.encode())


@contextmanager
def listening(stop: StopRequest) -> Iterator[None]:
    """Let stop take NUMBERS while the block runs."""
    before = {number: signal.signal(number, stop) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending() -> Iterator[None]:
    """Let SIGTERM and SIGUSR1 end the block in good order, as SIGINT does: for start-up, when no step is under way."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(exit_code(number))

    before = {number: signal.signal(number, leave) for number in NUMBERS if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(number: int) -> int:
    """Give the exit code of a process that a signal stopped: 130 for SIGINT, 143 for SIGTERM and SIGUSR1."""
    return 130 if number == signal.SIGINT else 143
