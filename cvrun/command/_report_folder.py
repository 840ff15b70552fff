"""The page of `cvrun report FOLDER`, where the folder is not a run but holds runs."""

from __future__ import annotations

import os
from pathlib import Path

from cvrun import __version__
from cvrun.command._picking import with_picking
from cvrun.errors import ConfigError
from cvrun.folder import now
from cvrun.report.sweep import Sweep, read_sweep
from cvrun.report.sweep_page import sweep_page


def holds_runs(folder: Path) -> bool:
    """Give whether a folder is not a run, and there is one below it."""
    return folder.is_dir() and not os.path.lexists(folder / "spec.yaml") and any(folder.rglob("spec.yaml"))


def folder_page(folder: Path, place: Path) -> str:
    """Give the page about the runs below a folder.

    Args:
        folder: Where the runs are.
        place: The folder in which the page will lie, for links to the pages of runs.

    Raises:
        DataError: If there is no such folder.
        ConfigError: If there is no run below it.
    """
    sweep = runs_below(folder)
    paths = [str(run.facts["path"]) for run in sweep.runs]
    own = {path: Path(path) / "report.html" for path in paths}
    pages = {path: Path(os.path.relpath(page, place)).as_posix() for path, page in own.items() if page.is_file()}
    return sweep_page(sweep, f"Made by cvrun report {__version__} at {now()}.", pages)


def runs_below(folder: Path) -> Sweep:
    """Give the runs below a folder.

    Raises:
        DataError: If there is no such folder.
        ConfigError: If there is no run below it.
    """
    sweep = read_sweep(folder)
    if not sweep.runs:
        left = f" but {sweep.aside} that rerun=true has put aside" if sweep.aside else ""
        message = f"{folder}: no run at or below it{left}, expected a folder with runs"
        raise ConfigError(message, "cvrun runs lists them")
    return with_picking(sweep)
