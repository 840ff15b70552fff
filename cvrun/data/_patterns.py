"""Names of many files in one text: train-{000000..000063}.tar, {cats,dogs}.tar, train-*.tar."""

from __future__ import annotations

import glob
import re
from pathlib import Path, PurePosixPath

from cvrun.data._root import CONTROL, reason, shown
from cvrun.errors import ConfigError, DataError

MOST = 100_000
"""[files] that a pattern may stand for."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]{1,12})\.\.([0-9]{1,12})")


def files(root: Path, key: str, pattern: str) -> list[str]:
    """Give the files below root that a pattern stands for, relative to root, in its order, those of "*" sorted.

    Args:
        root: An existing folder.
        key: The key of `data`, for messages.
        pattern: A relative path; {a..b} is a range of numbers, as wide as a is written; {x,y} are several texts; "*",
            "?" and "[...]" fit existing files.

    Raises:
        ConfigError: If the pattern leads out of root, is not understood, or stands for too many files.
        DataError: If a file is missing, or a part of the pattern with "*" fits none.
    """
    where = f"data.{key}={shown(pattern)}"
    path = PurePosixPath(pattern)
    if not pattern or path.is_absolute() or ".." in path.parts or CONTROL.search(pattern):
        raise ConfigError(f"{where}: expected the names of files below data.root, without '..'")
    found: list[str] = []
    for name in expand(pattern, where):
        matches = sorted(glob.glob(name, root_dir=root)) if glob.has_magic(name) else [name]
        if not matches:
            raise DataError(f"{where}: no file in {root} fits '{shown(name)}', expected at least one")
        found += matches
    if len(found) > MOST:
        raise ConfigError(f"{where}: {len(found)} files, expected at most {MOST}")
    for name in found:
        if CONTROL.search(name):
            raise DataError(f"{root}: '{shown(name)}', expected a name without control characters")
        try:
            regular = (root / name).is_file()
        except (OSError, ValueError) as error:
            raise DataError(f"{where}: {shown(name)} cannot be looked at ({reason(error)})") from error
        if not regular:
            raise DataError(f"{where}: {shown(name)} is missing in {root}, expected a file")
    return [PurePosixPath(name).as_posix() for name in found]


def expand(pattern: str, where: str) -> list[str]:
    """Give the texts that a pattern with braces stands for.

    Raises:
        ConfigError: If a brace is not closed or not understood, or there are more than MOST texts.
    """
    done, todo = [""], pattern
    while match := _BRACES.search(todo):
        choices = _choices(match[1], where)
        if len(done) * len(choices) > MOST:
            raise ConfigError(f"{where}: stands for more than {MOST} files, expected fewer")
        done = [f"{begin}{todo[: match.start()]}{choice}" for begin in done for choice in choices]
        todo = todo[match.end() :]
    texts = [f"{begin}{todo}" for begin in done]
    if any(brace in text for text in texts[:1] for brace in "{}"):
        raise ConfigError(
            f"{where}: a brace that is not closed, or one within another, expected {{000..063}} or {{a,b}}"
        )
    return texts


def _choices(inside: str, where: str) -> list[str]:
    numbers = _RANGE.fullmatch(inside)
    if numbers is None:
        if ".." in inside or "," not in inside:
            raise ConfigError(f"{where}: '{{{shown(inside)}}}', expected a range such as {{000..063}}, or {{a,b}}")
        return inside.split(",")
    first, last = int(numbers[1]), int(numbers[2])
    if not first <= last < first + MOST:
        raise ConfigError(f"{where}: '{{{inside}}}', expected a range that rises, of at most {MOST} numbers")
    return [f"{number:0{len(numbers[1])}d}" for number in range(first, last + 1)]
