"""The jobs of one command: kept in a file, since a launcher may run them in other processes; shown as one table."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cvrun.errors import ConfigError
from cvrun.keys import FAIL_FAST
from cvrun.report.folds import Fold, folds_table, without_fold
from cvrun.report.tables import text_table


@dataclass(frozen=True)
class Job:
    """One job of a command.

    Attributes:
        number: Its place in the sweep, from 0.
        said: What its command line says, such as ("+exp=digits", "seed=1").
        score: Of the monitor, or None where there is none.
        seconds: [seconds] It took now.
        state: finished, interrupted, not started, or what went wrong.
        exit_code: 0 when it is finished.
        fold: Which fold of a cross-validation it is, from 0, and of how many; None where it is none.
        metrics: Name -> value where it is finished, the monitored one first.
        folder: Of its run; None where it has none.
    """

    number: int
    said: tuple[str, ...]
    score: float | None
    seconds: float
    state: str
    exit_code: int
    fold: tuple[int, int] | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    folder: str | None = None


def sweeps(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for a sweep."""
    return any(word in ("-m", "--multirun") or word.upper().lstrip("+") == "HYDRA.MODE=MULTIRUN" for word in arguments)


def take_fail_fast(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Give the arguments without --fail-fast, which Hydra does not know, and whether it was there.

    Raises:
        ConfigError: If it was, without a sweep.
    """
    rest = [word for word in arguments if word != FAIL_FAST]
    if len(rest) < len(arguments) and not sweeps(rest):
        raise ConfigError(f"{FAIL_FAST}: expected -m as well", "it ends a sweep at the first job that fails")
    return rest, len(rest) < len(arguments)


def append(path: Path, job: Job) -> None:
    """Add a job to the file, in one write."""
    _add(path, dataclasses.asdict(job))


def read(path: Path) -> list[Job]:
    """Give the jobs of the file in the order of the sweep."""
    jobs = [line for line in _lines(path) if "signal" not in line]
    return sorted(map(_job, jobs), key=lambda job: job.number)


def _job(line: dict[str, Any]) -> Job:
    return Job(**{**line, "said": tuple(line["said"]), "fold": tuple(line["fold"]) if line["fold"] else None})


def note_signal(path: Path, number: int) -> None:
    """Add to the file that a process of the sweep got a signal."""
    _add(path, {"signal": number})


def noted_signal(path: Path) -> int | None:
    """Give the first signal in the file, or None."""
    return next((int(line["signal"]) for line in _lines(path) if "signal" in line), None)


def _add(path: Path, line: dict[str, Any]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")
    finally:
        os.close(handle)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def sweep_table(jobs: Sequence[Job]) -> str:
    """Give an empty line and the table: score, what was swept, state, time; in the order of the sweep.

    Where jobs are folds of a cross-validation, a table of mean and spread over them follows.
    """
    shared = set.intersection(*(set(job.said) for job in jobs))
    swept = [" ".join(text for text in job.said if text not in shared) or "-" for job in jobs]
    rows = [
        ["-" if job.score is None else f"{job.score:.4f}", what, job.state, f"{job.seconds:.1f} s"]
        for job, what in zip(jobs, swept, strict=True)
    ]
    failed = sum(job.exit_code != 0 for job in jobs)
    ending = f"{len(jobs) - failed} of {len(jobs)} jobs finished; the same command again runs what is missing\n"
    table = text_table(["score", "swept", "state", "time"], rows, right=(0, 3))
    return f"\n{table}" + _folds(jobs, shared) + (f"\n{ending}" if failed else "")


def _folds(jobs: Sequence[Job], shared: Set[str]) -> str:
    """Give the table of the folds among the jobs: of those that say the same but for the fold."""
    folds = []
    for job in jobs:
        if job.fold is not None:
            setting = without_fold(job.said)
            shown = " ".join(text for text in setting if text not in shared) or "all jobs"
            folds.append(Fold(" ".join(setting), shown, *job.fold, job.metrics))
    return folds_table(folds)
