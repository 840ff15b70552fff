"""All loggers behind one door."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cvrun.errors import printable
from cvrun.folder import now
from cvrun.logger import Header, Logger, Record, Truth
from cvrun.logger._queued import Queued, Trouble, close_all
from cvrun.streams import tell

L = TypeVar("L", Logger, Queued)


@dataclass
class Loggers:
    """All loggers behind one door. `records.jsonl` is the truth; another logger that fails is dropped with a line.

    Attributes:
        truth: The records; an error here ends the run.
        others: Name and logger of those that are called at once.
        queued: Name and logger of those that the run does not wait for.
        log: The file that keeps what is said.
    """

    truth: Truth
    others: list[tuple[str, Logger]]
    queued: list[tuple[str, Queued]]
    log: Path
    _log_works: bool = field(default=True, init=False)

    def open(self, header: Header) -> None:
        """Open every logger."""
        self.truth.open(header)
        self._each(self.others, lambda logger: logger.open(header))
        self._each(self.queued, lambda logger: logger.open(header))

    def advance(self, step: int) -> None:
        """Pass on that step updates are done."""
        self._each(self.others, lambda logger: logger.advance(step))

    def write(self, record: Record) -> None:
        """Pass a record on, to the truth first."""
        self.truth.write(record)
        self._each(self.others, lambda logger: logger.write(record))
        self._each(self.queued, lambda logger: logger.write(record))

    def sync(self) -> None:
        """Make every record so far durable: a checkpoint must not know of one that may yet be lost."""
        self.truth.sync()

    def say(self, text: str) -> None:
        """Pass a line on, keep it in the log, and see that it reaches somebody when no console does it."""
        text = printable(text)
        reason = note(self.log, text)
        self._each(self.others, lambda logger: logger.say(text))
        self._each(self.queued, lambda logger: logger.say(text))
        if not any(name == "console" for name, _ in self.others) and not tell(text):
            _show(text)
        if reason and self._log_works:
            self._log_works = False
            self.say(f"warning: {self.log} cannot be written ({reason}); what is said may be missing there")

    def close(self) -> None:
        """Close every logger; those behind a queue have CLOSING seconds together."""
        self.truth.close()
        # Taken from the list: the line about one is not for the others, which have ended.
        queued, self.queued = self.queued, []
        close_all(queued, self._complain)
        self._each(self.others, lambda logger: logger.close())

    def _each(self, loggers: list[tuple[str, L]], action: Callable[[L], None]) -> None:
        for pair in list(loggers):
            # One that failed at the line about another is gone already.
            if pair not in loggers:
                continue
            try:
                action(pair[1])
            except Exception as error:
                loggers.remove(pair)
                if not isinstance(pair[1], Queued):
                    with contextlib.suppress(Exception):
                        pair[1].close()
                self._complain(pair[0], error)

    def _complain(self, name: str, error: Exception) -> None:
        known = isinstance(error, Trouble)
        what = error if known else f"failed and is left out from here on ({type(error).__name__}: {error})"
        self.say(f"logger {name} {what}")


def note(log: Path, text: str) -> str:
    """Add a line with its time to a run's log; give why that failed, or nothing."""
    try:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{now()} {text}\n")
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _show(text: str) -> None:
    """Write a line to standard output, since standard error takes none."""
    # Where that fails too, the result of the command will fail there, and be answered for.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
