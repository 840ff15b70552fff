"""Signals on their way from the process of a sweep to the process of the job that runs."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any

from cvrun.command._sweep import note_signal, noted_signal
from cvrun.stopping import NUMBERS

_TOGETHER = 0.2
"""[seconds] within which one signal that is sent to both processes reaches them."""


class Relay:
    """Ends a sweep at the first signal, and passes every one on to the job that runs.

    A launcher copies it to the processes in which it runs jobs; they know of each other's signals by the jobs' file.
    """

    def __init__(self, file: Path) -> None:
        """Begin without a signal.

        Args:
            file: Of the jobs.
        """
        self._file = file
        self._driver = os.getpid()
        self._before: dict[int, Any] = {}
        self._process = self._parent = 0
        self._line: Connection | None = None
        self._passed = False

    @property
    def stopped(self) -> int | None:
        """The signal that ended the sweep, or None."""
        return noted_signal(self._file)

    def listen(self) -> None:
        """Take the signals of this process from now on."""
        if self._process == os.getpid():
            return
        self._process, self._parent = os.getpid(), os.getppid()
        for number in NUMBERS:
            self._before[number] = signal.signal(number, self)

    def restore(self) -> None:
        """Let the signals go where they went before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        self._process = 0

    def connect(self, line: Connection | None) -> None:
        """Pass signals on to the job at the other end of line; None: no job runs."""
        self._line, self._passed = line, False

    def look(self) -> None:
        """Pass on that another process of the sweep got a signal, or has gone, if this one got none."""
        if self._passed:
            return
        number = self.stopped
        if number is None and self._parent == self._driver != os.getppid():
            # The launcher's process was killed; this one would go on with what was meant for it.
            number = signal.SIGTERM
            note_signal(self._file, number)
        if number is not None:
            self._pass_on(number)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        # Where a launcher's process outlives the command, the file has gone.
        with contextlib.suppress(OSError):
            note_signal(self._file, number)
        self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if self._line is not None:
            self._passed = True
            with contextlib.suppress(OSError):
                os.write(self._line.fileno(), bytes([number]))


def hear(line: Connection) -> None:
    """Take in this process, from now on, the signals that come down line; SIGTERM when nobody is left to send any.

    A terminal or a scheduler often sends a signal to both processes, and a second one quits at once: one that came
    here by itself as well is taken once.
    """
    here, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    # What is sent to a process that forks from this one is none of ours.
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    main = threading.main_thread().ident
    assert main is not None
    threading.Thread(target=_take, args=(line, here, main), daemon=True).start()


def _take(line: Connection, here: int, main: int) -> None:
    came = passed = 0
    while True:
        ready = wait([line, here])
        if here in ready:
            came += _count(here)
        if line not in ready:
            continue
        number = int.from_bytes(os.read(line.fileno(), 1), "big")
        # At the end of the line there is nothing to read; that does not hasten one that is stopping already.
        passed = passed + 1 if number else max(passed, 1)
        end = time.monotonic() + _TOGETHER
        while came < passed and wait([here], max(end - time.monotonic(), 0)):
            came += _count(here)
        if came < passed:
            # It counts itself: it comes here like any other.
            signal.pthread_kill(main, number or signal.SIGTERM)
        if not number:
            return


def _count(here: int) -> int:
    return sum(number in NUMBERS for number in os.read(here, 4096))
