"""Finding a run by the folder that the user names, and seeing that all in it is its own."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from cvrun.errors import ConfigError, did_you_mean
from cvrun.folder import RunFolder

SOUP = "soup.json"
"""Says what the weights are the mean of, where they come from no training of their own."""

_FILES = (
    ".lock",
    "spec.yaml",
    "plan.yaml",
    "data.csv",
    "data_card.yaml",
    "split.csv",
    "changes.jsonl",
    "status.json",
    "records.jsonl",
    "unreadable.csv",
    "diverged.json",
    "decision.json",
    "log.txt",
    "warnings.log",
    "test.jsonl",
    "report.html",
    SOUP,
)
_FOLDERS = ("checkpoints", "predictions")
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def existing(path: Path) -> RunFolder:
    """Give the run at path.

    Raises:
        ConfigError: If there is no run, or something in it is no file or folder of its own.
    """
    folder = RunFolder(path)
    if os.path.lexists(folder.spec):
        require_own_files(folder)
        return folder
    if path.is_dir():
        raise ConfigError(f"{path}: not a run, it has no spec.yaml", "cvrun runs lists the runs below a folder")
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise ConfigError(f"{path}: no such run", did_you_mean(path.name, beside) or "cvrun runs lists them")


def contents(path: Path) -> list[str]:
    """Give what a folder holds but its lock and what a process that was killed had begun to write."""
    return [name for name in os.listdir(path) if name != ".lock" and not (name[:1] == "." and name.endswith(".tmp"))]


def require_trained(folder: RunFolder) -> None:
    """See that a run has a training of its own.

    Raises:
        ConfigError: If it is a soup.
    """
    if os.path.lexists(folder.path / SOUP):
        raise ConfigError(f"{folder.path}: a soup, expected a run: a mean of weights has no training to go on with")


def require_own_files(folder: RunFolder) -> None:
    """See that a run's folder, where there is one, holds files and folders alone; call it before any is opened.

    A link, which somebody else may have put there, could lead what is written into other files; a pipe never ends.

    Raises:
        ConfigError: If it does not, or cannot be listed.
    """
    waiting = [folder.path]
    while waiting:
        here = waiting.pop()
        try:
            entries = list(os.scandir(here))
        except FileNotFoundError:
            # Not there yet, or a process that works in it has removed it.
            continue
        except OSError as error:
            raise ConfigError(f"{here}: cannot be listed ({error.strerror or error}), expected a folder") from error
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                kind = stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
                _require_own(entry, kind, here == folder.path)
                if kind == stat.S_IFDIR:
                    waiting.append(Path(entry.path))


def _require_own(entry: os.DirEntry[str], kind: int, at_top: bool) -> None:
    if kind == stat.S_IFLNK:
        raise ConfigError(f"{entry.path}: a link inside a run, expected its own files", "cp -rL copies without links")
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise ConfigError(f"{entry.path}: {_KINDS.get(kind, 'no file')} inside a run, expected its own files")
    if at_top and kind == stat.S_IFDIR and entry.name in _FILES:
        raise ConfigError(f"{entry.path}: a folder, expected a file")
    if at_top and kind == stat.S_IFREG and entry.name in _FOLDERS:
        raise ConfigError(f"{entry.path}: a file, expected a folder")
