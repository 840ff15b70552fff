"""Stopping at a step boundary when the user or the system asks."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from cvrun.stopping import NUMBERS, exit_code


class StopRequest:
    """Remembers the first signal; a second one ends the process at once, which leaves the last commit as it is."""

    def __init__(self, quiet: bool = False, other: Callable[[], bool] = lambda: False) -> None:
        """Begin without a request.

        Args:
            quiet: Whether another process tells the user.
            other: Says whether there is another reason to stop than a signal.
        """
        self.signal: int | None = None
        self._quiet = quiet
        self._other = other

    @property
    def requested(self) -> bool:
        """Whether a signal came, or there is another reason to stop."""
        return self.signal is not None or self._other()

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
        if self._quiet:
            return
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
