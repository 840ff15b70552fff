"""The folder for what can be made or fetched again: downloads, fitted statistics."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Give the cache folder; nothing is created.

    It is CVRUN_CACHE if that is set, else "cvrun" in XDG_CACHE_HOME, else ~/.cache/cvrun. An empty variable counts as
    not set, and so does a relative XDG_CACHE_HOME (XDG Base Directory Specification 0.8, "Basics").
    """
    own = os.environ.get("CVRUN_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache") / "cvrun"
