"""What libraries warn of while a command works: each warning is told and kept once, and none is silenced."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from cvrun.errors import ConfigError, printable
from cvrun.folder import now
from cvrun.streams import tell

MOST = 100
"""[warnings] Of one line of code that are kept: a text with the size of an image in it differs for each image."""

SHOWN = 3
"""[warnings] Of one line of code that the terminal shows."""


class Warned:
    """The warnings of a command: category, text, and the line of code that warns; from any thread.

    Attributes:
        strict: Whether a warning is to end the command.
    """

    def __init__(self, process: int = 0) -> None:
        """Begin without a warning; process is this one's number among those that train together."""
        self.strict = False
        self._process = f" (process {process})" if process else ""
        self._lock = threading.Lock()
        self._known: dict[str, None] = {}
        self._counts: Counter[str] = Counter()
        self._file: Path | None = None
        self._written: set[str] = set()

    @property
    def first(self) -> str:
        """The warning that is to end the command, or nothing."""
        with self._lock:
            return next(iter(self._known), "") if self.strict else ""

    def take(self, category: str, text: str, place: str) -> None:
        """Keep a warning and show it, where it is new.

        Args:
            category: Such as "UserWarning".
            text: What it says.
            place: The line of code, such as "net.py:7".
        """
        said = printable(f"{category}: {' '.join(text.split())} ({place})")
        with self._lock:
            if said in self._known or self._counts[place] > MOST:
                return
            self._counts[place] += 1
            count = self._counts[place]
            said = said if count <= MOST else printable(f"{category}: more than {MOST} different ones ({place})")
            self._keep(said)
        if count <= SHOWN:
            rest = "; what else it warns of is not shown" if count == SHOWN else ""
            tell(f"warning{self._process}: {said}{rest}")

    def add(self, lines: Iterable[str]) -> None:
        """Keep warnings of the plan, which are shown with it."""
        with self._lock:
            for line in lines:
                self._keep(printable(f"plan: {line}"))

    def write_to(self, path: Path) -> None:
        """Have what came and what comes written to a file, behind what is there and without repeating it."""
        with self._lock:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
            self._written = {line.partition(" ")[2] for line in lines}
            self._file = path
            for said in self._known:
                self._write(said)

    def require_none(self) -> None:
        """See that nothing was warned of, where that is to end the command.

        Raises:
            ConfigError: If something was.
        """
        if first := self.first:
            raise not_wanted(first)

    def _keep(self, said: str) -> None:
        if said not in self._known:
            self._known[said] = None
            self._write(said)

    def _write(self, said: str) -> None:
        if self._file is None or said in self._written:
            return
        self._written.add(said)
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{now()} {said}\n")
        except OSError as error:
            tell(printable(f"warning: {self._file} cannot be written ({error.strerror or error})"))
            self._file = None


def not_wanted(warning: str) -> ConfigError:
    """Give the error of a command that a warning ends."""
    return ConfigError(f"strict_warnings=true: {warning}", "strict_warnings=false goes on")


_heard = 0


def heard() -> bool:
    """Whether a command listens, so that nothing needs to be silenced."""
    return _heard > 0


@contextmanager
def hearing(process: int = 0) -> Iterator[Warned]:
    """Listen to Python's warnings while the block runs, in all threads, instead of letting Python print them.

    Which of them there are is as Python's filters say: warnings for developers (DeprecationWarning) are none unless
    PYTHONWARNINGS asks for them. Those of Pillow never become errors: an image that can be decoded can be used.

    Args:
        process: The number of this one among those that train together.
    """
    global _heard
    warned = Warned(process)

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        warned.take(category.__name__, str(message), f"{filename}:{lineno}")

    with warnings.catch_warnings():
        warnings.filterwarnings("always", module=r"PIL\.")
        warnings.showwarning = show
        _heard += 1
        try:
            yield warned
        finally:
            _heard -= 1
