"""Finding a run by the folder that the user names."""

from __future__ import annotations

from pathlib import Path

from cvrun.errors import ConfigError, did_you_mean
from cvrun.folder import RunFolder


def existing(path: Path) -> RunFolder:
    """Give the run at path.

    Raises:
        ConfigError: If there is no run.
    """
    folder = RunFolder(path)
    if folder.spec.is_file():
        return folder
    if path.is_dir():
        raise ConfigError(f"{path}: not a run, it has no spec.yaml", "cvrun runs lists the runs below a folder")
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise ConfigError(f"{path}: no such run", did_you_mean(path.name, beside) or "cvrun runs lists them")
