"""Stopping at a step boundary when the user or the system asks."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Remembers the first signal; a second one ends the process at once, which leaves the last commit as it is."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Begin without a request.

        Args:
            say: Takes the line that tells the user what happens; called from the signal handler.
        """
        self._say = say
        self.signal: int | None = None

    @property
    def requested(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """130 after SIGINT, 143 after SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number
        self._say(f"{signal.Signals(number).name}: stopping at the next step; once more to quit at once")


@contextmanager
def listening(stop: StopRequest) -> Iterator[None]:
    """Let stop take SIGINT and SIGTERM while the block runs."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
