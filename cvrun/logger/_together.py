"""All loggers behind one door."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from cvrun.logger import Header, Logger, Record


@dataclass(frozen=True)
class Loggers:
    """All loggers behind one door. `records.jsonl` is the truth; another logger that fails is dropped with a line."""

    truth: Logger
    others: list[tuple[str, Logger]]
    lines: list[str]

    def open(self, header: Header) -> None:
        """Open every logger, then say what was said before."""
        self.truth.open(header)
        self._each(lambda logger: logger.open(header))
        for line in self.lines:
            self.say(line)

    def advance(self, step: int) -> None:
        """Pass on that step updates are done."""
        self._each(lambda logger: logger.advance(step))

    def write(self, record: Record) -> None:
        """Pass a record on, to the truth first."""
        self.truth.write(record)
        self._each(lambda logger: logger.write(record))

    def say(self, text: str) -> None:
        """Pass a line on."""
        self._each(lambda logger: logger.say(text))

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
