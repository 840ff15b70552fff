"""A queue and a thread for a logger, which may then be slow, fail, hang or die: the run never waits for it."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from types import MappingProxyType

from cvrun.logger import Header, Logger, Record
from cvrun.stopping import start

WAITING = 1000
"""[records] that may wait; with more, log points are left out, and with twice as many everything is."""

ERRORS = 3
"""Errors in a row after which a logger is left out."""

CLOSING = 5.0
"""[seconds] that the end of a run waits for all its loggers together."""


class Trouble(Exception):
    """What went wrong with a logger, as the rest of a sentence that begins with its name."""


class Queued:
    """Passes on what it is told, in order and in a thread of its own; advance is not passed on.

    An evaluation is left out only where the logger has taken nothing for very long; records.jsonl has it all the same.
    """

    def __init__(self, logger: Logger) -> None:
        """Begin with an empty queue; the thread starts with open."""
        self._logger = logger
        self._header: Header | None = None
        # Its put can be called by a signal handler that interrupts another put.
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="logger", daemon=True)
        self._trouble = self._last = ""
        self._lost = self._left_out = 0
        self._abandoned = False

    def open(self, header: Header) -> None:
        """Start to work: open the logger, then pass on what waits."""
        self._header = header
        start(self._thread)

    def write(self, record: Record) -> None:
        """Pass a copy on, if there is room.

        Raises:
            Trouble: If the logger is to be left out from here on.
        """
        is_log_point = not any(name.startswith(("val/", "best/")) for name in record)
        self._put(functools.partial(self._logger.write, MappingProxyType(dict(record))), not is_log_point)

    def say(self, text: str) -> None:
        """Pass on, if there is room.

        Raises:
            Trouble: As write does.
        """
        self._put(functools.partial(self._logger.say, text), True)

    def end(self) -> None:
        """Ask it to close once everything is taken."""
        if self._thread.ident is None:
            start(self._thread)
        self._calls.put(None)

    def wait(self, until: float) -> None:
        """Wait for what end asked for; after that nothing more is passed on.

        Args:
            until: On the clock of time.monotonic().

        Raises:
            Trouble: If that did not come in time, or if something was lost.
        """
        self._thread.join(max(until - time.monotonic(), 0.0))
        if self._thread.is_alive():
            self._abandoned = True
            raise Trouble(f"did not come to its end in {CLOSING:g} s and is left behind")
        if self._trouble:
            raise Trouble(self._trouble)
        if self._lost or self._left_out:
            what = [f"lost {self._lost:,} ({self._last})"] if self._lost else []
            what += [f"was too slow for {self._left_out:,}"] if self._left_out else []
            raise Trouble(f"{' and '.join(what)} of the records; records.jsonl has all")

    def _put(self, call: Callable[[], None], matters: bool) -> None:
        if self._trouble:
            raise Trouble(self._trouble)
        if self._calls.qsize() < (2 * WAITING if matters else WAITING):
            self._calls.put(call)
        else:
            self._left_out += 1

    def _work(self) -> None:
        """Open, take what waits until the end, close; note what goes wrong, for the thread of the run to say."""
        try:
            if self._header is not None:
                self._logger.open(self._header)
                self._take()
        # Also what a logger raises that wants to end the process: this ends its thread alone.
        except BaseException as error:
            self._trouble = f"failed and is left out from here on ({_short(error)})"
        try:
            self._logger.close()
        except BaseException as error:
            self._trouble = self._trouble or f"failed when it was closed ({_short(error)})"

    def _take(self) -> None:
        in_a_row = 0
        while (call := self._calls.get()) is not None and not self._abandoned:
            try:
                call()
                in_a_row = 0
            except Exception as error:
                self._lost, in_a_row, self._last = self._lost + 1, in_a_row + 1, _short(error)
                if in_a_row == ERRORS:
                    self._trouble = f"failed {ERRORS} times in a row and is left out from here on ({self._last})"
                    return


def close_all(loggers: list[tuple[str, Queued]], say: Callable[[str, Exception], None]) -> None:
    """Close loggers, all together in at most CLOSING seconds.

    Args:
        loggers: Name and logger.
        say: Takes the name and the trouble of each that has some.
    """
    for _, logger in loggers:
        logger.end()
    until = time.monotonic() + CLOSING
    for name, logger in loggers:
        try:
            logger.wait(until)
        except Trouble as trouble:
            say(name, trouble)


def _short(error: BaseException) -> str:
    with contextlib.suppress(Exception):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__
