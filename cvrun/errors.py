"""The errors that a user can meet, each with the exit code of the process.

A message is one line: key or file, value, rule, and a hint after a semicolon. Control characters in it are written
out, since names come from files. The command line prints the line without a traceback; `CVRUN_TRACEBACK=1` prints the
traceback as well.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CvrunError(Exception):
    """An error with a message for the user; exit code 1."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        """Join message and hint into the one line that is printed."""
        line = " ".join(f"{message}; {hint}".split() if hint else message.split())
        super().__init__(printable(line))


class ConfigError(CvrunError):
    """A key, value or combination that cannot be run, or a wrong command line; exit code 2."""

    exit_code = 2


class DataError(CvrunError):
    """A missing, unreadable or contradictory data set; exit code 3.

    Attributes:
        names: Names of images in the message that the data set does not have, for who hides names.
    """

    exit_code = 3
    names: tuple[str, ...] = ()


class CheckpointError(CvrunError):
    """A checkpoint that is damaged, or belongs to something else; exit code 4."""

    exit_code = 4


class DivergedError(CvrunError):
    """A loss or score that is not finite; exit code 5."""

    exit_code = 5


class OutOfMemoryError(CvrunError):
    """The device or the host ran out of memory; exit code 6."""

    exit_code = 6


class StorageError(CvrunError):
    """The disk is full or a file cannot be written; exit code 7."""

    exit_code = 7


class EndedElsewhereError(CvrunError):
    """Another process of the same run ended in an error, and has said so; this one ends quietly with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        """Keep what the other process said, and its exit code."""
        super().__init__(message)
        self.exit_code = exit_code


class RuleError(ValueError):
    """A value of an option's `Config` that breaks its rule; config.py puts the group's name before the key."""

    def __init__(self, key: str, value: object, rule: str, hint: str = "") -> None:
        """Keep the parts, so that the door can name the full key."""
        super().__init__(f"{key}={value}: expected {rule}")
        self.key, self.value, self.rule, self.hint = key, value, rule, hint


def require(condition: bool, key: str, value: object, rule: str, hint: str = "") -> None:
    """Raise RuleError unless condition holds.

    Args:
        condition: What must be true.
        key: The field of the option's `Config`, such as "lr".
        value: What the user gave.
        rule: What is expected, such as "lr > 0"; follows the word "expected".
        hint: What to do instead, if there is something to say.

    Raises:
        RuleError: If condition is false.
    """
    if not condition:
        raise RuleError(key, value, rule, hint)


def one_of(key: str, value: str, choices: Iterable[str]) -> None:
    """Raise RuleError unless value is one of choices; the message lists them and names the nearest."""
    names = list(choices)
    if value not in names:
        raise RuleError(key, value, f"one of {', '.join(names)}", did_you_mean(value, names))


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Give "did you mean 'x'?" for the nearest of names, or an empty string when none is near."""
    near = difflib.get_close_matches(word, [str(name) for name in names], n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else ""


def printable(text: str) -> str:
    """Give text with control characters, and what else a terminal does not show, written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
