"""All loggers behind one door."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cvrun.folder import now
from cvrun.logger import Header, Logger, Record


@dataclass(frozen=True)
class Loggers:
    """All loggers behind one door. `records.jsonl` is the truth; another logger that fails is dropped with a line.

    Attributes:
        truth: The records; an error here ends the run.
        others: Name and logger.
        log: The file that keeps what is said.
    """

    truth: Logger
    others: list[tuple[str, Logger]]
    log: Path

    def open(self, header: Header) -> None:
        """Open every logger."""
        self.truth.open(header)
        self._each(lambda logger: logger.open(header))

    def advance(self, step: int) -> None:
        """Pass on that step updates are done."""
        self._each(lambda logger: logger.advance(step))

    def write(self, record: Record) -> None:
        """Pass a record on, to the truth first."""
        self.truth.write(record)
        self._each(lambda logger: logger.write(record))

    def say(self, text: str) -> None:
        """Pass a line on, keep it in the log, and see that it reaches somebody when no console does it."""
        # A log that cannot be written must not end a run.
        with contextlib.suppress(OSError), self.log.open("a") as file:
            file.write(f"{now()} {text}\n")
        self._each(lambda logger: logger.say(text))
        if not any(name == "console" for name, _ in self.others):
            with contextlib.suppress(OSError, ValueError):
                print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Close every logger."""
        self.truth.close()
        self._each(lambda logger: logger.close())

    def _each(self, action: Callable[[Logger], None]) -> None:
        for name, logger in list(self.others):
            # One that failed at the line about another is gone already.
            if (name, logger) not in self.others:
                continue
            try:
                action(logger)
            except Exception as error:
                self.others.remove((name, logger))
                with contextlib.suppress(Exception):
                    logger.close()
                self.say(f"logger {name} failed and is left out from here on ({type(error).__name__}: {error})")
