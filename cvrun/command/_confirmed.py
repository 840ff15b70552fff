"""The best settings of a sweep with new seeds: which they are, and the runs that train them."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cvrun.command._apart import train_apart
from cvrun.command._job import Ending, attempt
from cvrun.command._run_folder import existing
from cvrun.command._signals import Relay
from cvrun.config import assignments, in_force, replaced, saved
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.keys import for_reading
from cvrun.prepare import address
from cvrun.report.runs import run_folders
from cvrun.report.seeds import without_seed
from cvrun.report.sweep import Group, Sweep, SweepRun, read_run, sweep_of
from cvrun.spec import Spec

SUFFIX = "-confirm"
"""Of the name of new runs. They lie beside those they confirm, where openings of a test set are counted together."""

_DATA = "content of the data"


@dataclass(frozen=True)
class NewRun:
    """A run of a setting with a new seed.

    Attributes:
        place: Of the setting among those picked, from 0.
        seed: Its seed.
        spec: What it is to do.
    """

    place: int
    seed: int
    spec: Spec

    @property
    def folder(self) -> RunFolder:
        """Where it lies or will lie."""
        return address(self.spec)


def picked(folder: Path, top: int) -> tuple[Sweep, list[Group]]:
    """Give the sweep below a folder without new runs of earlier confirmations, and its best settings, the best first.

    Args:
        folder: With runs below it.
        top: How many settings, at most.

    Raises:
        DataError: If there is no such folder.
        ConfigError: If it is a run, no run below it has finished with a score, or they are on several folds.
    """
    if os.path.lexists(folder / "spec.yaml"):
        raise ConfigError(f"{folder}: a run, expected a folder with runs below it", f"{folder.parent} is one")
    found = [read_run(run) for run in run_folders(folder) if not _of_another(run, folder)]
    sweep = sweep_of(folder, found)
    groups = sweep.groups()
    if not groups:
        message = f"{folder}: no finished run with a score below it, expected some to pick from"
        raise ConfigError(message, "cvrun runs lists them")
    if "split.fold" in sweep.varying:
        message = f"{folder}: its runs are on several folds, and a setting is not picked by one of them"
        raise ConfigError(message, "cvrun train -m with other seeds trains all folds of a setting")
    return sweep, groups[:top]


def _of_another(run: RunFolder, folder: Path) -> bool:
    """Give whether a run is a new one of another confirmation than folder's own."""
    home = run.path.parent
    return home.name.endswith(SUFFIX) and home.resolve() != folder.resolve()


def new_runs(sweep: Sweep, groups: Sequence[Group], seeds: int, words: Sequence[str]) -> list[NewRun]:
    """Give the runs to be: each setting with the same new seeds, which no run of the sweep has; a seed at a time.

    Each does what the best run of its setting did, beside it, on one device.

    Args:
        sweep: All runs that there were to pick from.
        groups: The settings.
        seeds: How many.
        words: KEY=VALUE of how to work, as cvrun eval takes them.

    Raises:
        ConfigError: If a word is none of those, or a run's configuration cannot be read.
        CheckpointError: If a run's changes are damaged.
    """
    used = {run.seed for run in sweep.runs}
    free = [seed for seed in range(len(used) + seeds) if seed not in used][:seeds]
    given = assignments(words)
    found = []
    for seed in free:
        for place, group in enumerate(groups):
            old = existing(Path(group.runs[0].facts["path"]))
            spec = in_force(saved(old.spec), old)
            said = (*without_seed(group.runs[0].facts["overrides"]), f"seed={seed}")
            place_of = [("output_root", old.path.parent.parent.as_posix()), ("name", f"{old.path.parent.name}{SUFFIX}")]
            fixed = [("seed", seed), *place_of, ("rerun", False), ("devices", 1)]
            values = [*fixed, *for_reading(given, spec)]
            found.append(NewRun(place, seed, replaced(replace(spec, overrides=said), values, another=True)))
    return found


def train_all(runs: Sequence[NewRun]) -> tuple[list[Ending], int]:
    """Train one run after another, each in a process of its own; a finished one stays as it is.

    Returns:
        How each ended; and the exit code: 0, 1 where one failed, 130 or 143 after a signal.
    """
    handle, name = tempfile.mkstemp(prefix="cvrun-jobs-")
    os.close(handle)
    relay = Relay(Path(name))
    endings = []
    try:
        relay.listen()
        for number, run in enumerate(runs):
            if relay.stopped:
                endings.append(Ending("not started", 1))
            else:
                endings.append(attempt(lambda run=run, number=number: train_apart(lambda: run.spec, (), number, relay)))  # type: ignore[misc]
        stopped = relay.stopped
    finally:
        relay.restore()
        Path(name).unlink()
    if stopped is not None:
        return endings, 130 if stopped == signal.SIGINT else 143
    return endings, int(any(ending.exit_code for ending in endings))


def other_data(run: NewRun, picked: SweepRun) -> str:
    """Give a line where a run was trained on other data than the one it is to confirm; else nothing."""
    before, after = picked.values.get(_DATA), read_run(run.folder).values.get(_DATA)
    if None in (before, after) or before == after:
        return ""
    return f"warning: {run.folder.path}: the data have changed since its setting was picked"
