"""The signals that ask a process to stop, and their exit codes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""What asks a run to stop; SIGUSR1 is what batch systems send some time before they end a job."""


def exit_code(number: int) -> int:
    """Give the exit code of a process that a signal stopped: 130 for SIGINT, 143 for SIGTERM and SIGUSR1."""
    return 130 if number == signal.SIGINT else 143


STOPPED = frozenset(map(exit_code, NUMBERS))
"""The exit codes of processes that a signal stopped."""


@contextmanager
def ending() -> Iterator[None]:
    """Let SIGTERM and SIGUSR1 end the block in good order, as SIGINT does: for when no step is under way."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(exit_code(number))

    before = {number: signal.signal(number, leave) for number in NUMBERS if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore() -> None:
    """Let NUMBERS do nothing any more."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def stopped_by(error: BaseException | None) -> int:
    """Give the exit code of the signal over which an error arose; 0 where there was none.

    What a signal interrupts may fail over it: Hydra 1.3 closes a file that it has not opened yet.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return exit_code(signal.SIGINT)
        if isinstance(error, SystemExit) and error.code in STOPPED:
            return int(error.code or 0)
        error = error.__context__
    return 0


def start(thread: threading.Thread) -> None:
    """Start a thread; a signal that comes meanwhile is handled when it has started.

    An error that a handler raises inside of Python's own start would leave the thread half made.
    """
    if threading.current_thread() is not threading.main_thread():
        # Signals are handled in the main thread alone.
        thread.start()
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in NUMBERS}
    ours = [number for number, handler in before.items() if handler is not None]
    for number in ours:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        thread.start()
    finally:
        for number in ours:
            signal.signal(number, before[number])
    for late in came:
        signal.raise_signal(late)
