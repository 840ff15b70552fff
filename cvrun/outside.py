"""Nothing is written below the folders of the data: what is there would be data the next time."""

from __future__ import annotations

import contextlib
from pathlib import Path

from cvrun.cache import cache_folder
from cvrun.errors import ConfigError
from cvrun.spec import Spec

FOLDERS = ("root", "extra")
"""Keys of data sources that name a folder."""


def require_outside(spec: Spec, path: Path, said: str, kind: str = "file", hint: str = "") -> None:
    """See that what is to be written does not lie in a folder of the data.

    Args:
        spec: Whose data count.
        path: Where it is to be written.
        said: What names it, the beginning of the message, such as "--sheet FILE:".
        kind: "file" or "folder".
        hint: What to do instead.

    Raises:
        ConfigError: If it does.
    """
    for key in FOLDERS:
        folder = getattr(spec.parts["data"].config, key, None)
        if folder is not None and _is_below(path, folder):
            raise ConfigError(f"{said} lies below data.{key}={folder}, expected a {kind} outside of the data", hint)


def require_cache_outside(spec: Spec) -> None:
    """See that the cache does not lie in a folder of the data.

    Raises:
        ConfigError: If it does.
    """
    cache = cache_folder()
    require_outside(spec, cache, f"CVRUN_CACHE={cache}:", "folder", "set CVRUN_CACHE=FOLDER")


def _is_below(path: Path, folder: str) -> bool:
    # What is wrong with the folder itself is for the source to say.
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        return path.resolve().is_relative_to(Path(folder).expanduser().resolve())
    return False
