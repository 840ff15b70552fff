"""Finding a run by the folder that the user names."""

from __future__ import annotations

import os
from pathlib import Path

from cvrun.errors import ConfigError, did_you_mean
from cvrun.folder import RunFolder


def existing(path: Path) -> RunFolder:
    """Give the run at path.

    A link inside, which somebody else may have put there, could lead what is written into other files.

    Raises:
        ConfigError: If there is no run, or a link in it.
    """
    folder = RunFolder(path)
    if folder.spec.is_file():
        for parent, folders, files in os.walk(path):
            for link in (Path(parent, name) for name in (*folders, *files)):
                if link.is_symlink():
                    raise ConfigError(
                        f"{link}: a link inside a run, expected its own files", "cp -rL copies without links"
                    )
        return folder
    if path.is_dir():
        raise ConfigError(f"{path}: not a run, it has no spec.yaml", "cvrun runs lists the runs below a folder")
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise ConfigError(f"{path}: no such run", did_you_mean(path.name, beside) or "cvrun runs lists them")
