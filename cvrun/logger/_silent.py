"""No loggers at all, for a process that has nothing to tell: of several that train together, one does."""

from __future__ import annotations

from cvrun.logger import Header, Record


class Silent:
    """Takes what Loggers takes, and keeps nothing."""

    def open(self, header: Header) -> None:
        """Do nothing."""

    def advance(self, step: int) -> None:
        """Do nothing."""

    def write(self, record: Record) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""

    def sync(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
