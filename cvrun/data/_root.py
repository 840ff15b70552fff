"""What the sources that read files share: the root folder, and which names are refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cvrun.errors import ConfigError, DataError, printable

NAMED = 3
"""[files] that a message names; it counts the others."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters and bytes that are not UTF-8: they break terminals, reports and prediction files."""


def root_folder(root: str | None, key: str = "root") -> Path:
    """Give the root of the data as a path; "~" is the home folder.

    Args:
        root: What the user gave.
        key: The key of `data` that it stands for.

    Raises:
        ConfigError: If root is not set.
        DataError: If it is missing, is not a folder or cannot be looked at.
    """
    if not root:
        raise ConfigError(f"data.{key}=null: expected the folder of the images", f"set data.{key}=FOLDER")
    path = Path(root)
    try:
        path = path.expanduser()
        if path.is_dir():
            return path
        fact = "is not a folder" if path.exists() else "does not exist"
    except (OSError, RuntimeError, ValueError) as error:
        fact = f"cannot be read ({reason(error)})"
    raise DataError(f"data.{key}={shown(root)}: {fact}, expected the folder of the images", _from(path))


def reason(error: Exception) -> str:
    """Give an exception in a few words, without the file name that it may repeat."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__


def some(names: Sequence[object], quote: str = "") -> str:
    """Give the first of names for a message, each between quotes, and how many more there are."""
    first = ", ".join(f"{quote}{shown(name)}{quote}" for name in names[:NAMED])
    return f"{first} and {len(names) - NAMED:,} more" if len(names) > NAMED else first


def shown(name: object) -> str:
    """Give a name with control characters escaped, fit for a message."""
    return printable(str(name))


def _from(path: Path) -> str:
    return "" if path.is_absolute() else f"a relative path starts at {Path.cwd()}"
