"""Train a model: `cvrun train +exp=digits optimizer.lr=0.1`; `-m` sweeps; the same command again goes on."""

from __future__ import annotations

import functools
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cvrun.command._apart import train_apart
from cvrun.command._job import Ending, attempt, train
from cvrun.command._output import show
from cvrun.command._signals import Relay
from cvrun.command._sweep import Job, append, noted_signal, read, sweep_table, sweeps, take_fail_fast
from cvrun.config import HydraJob, run_command
from cvrun.dist import launched_world_size
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.report.folds import fold_numbers, metrics_of
from cvrun.report.openings import below


def run(arguments: list[str]) -> int:
    """Train the job that the arguments describe, or each job of a sweep; give the exit code.

    A single run has its own exit code. A sweep goes on when a job fails, unless `--fail-fast` is given, and ends with 1
    if any did; a signal ends it when the job that runs has stopped, with 130 or 143.

    Raises:
        ConfigError: If the configuration cannot be composed, `--fail-fast` is given without a sweep, or a sweep to one
            of several processes that a launcher started.
    """
    words, fail_fast = take_fail_fast(arguments)
    if sweeps(words) and (launched_world_size() or 1) > 1:
        hint = "cvrun train -m ... devices=N starts the processes of each job"
        raise ConfigError(f"-m: a sweep in each of {launched_world_size()} processes, expected one process", hint)
    handle, name = tempfile.mkstemp(prefix="cvrun-jobs-")
    os.close(handle)
    file = Path(name)
    relay = Relay(file)
    try:
        if sweeps(words):
            relay.listen()
        run_command(words, "cvrun train", functools.partial(_job, file, relay, fail_fast))
    finally:
        relay.restore()
        jobs, stopped = read(file), noted_signal(file)
        file.unlink()
        if jobs and sweeps(words):
            about = "" if stopped is not None else below(_picked(jobs))
            show(about + sweep_table(jobs), kept="the folders of the runs")
    if not sweeps(words):
        return jobs[0].exit_code if jobs else 0
    if stopped is not None:
        return 130 if stopped == signal.SIGINT else 143
    return 1 if any(job.exit_code for job in jobs) else 0


def _picked(jobs: Sequence[Job]) -> list[str]:
    """Give lines about the best score of a sweep: how much too good it is, being the best."""
    finished = sorted({job.folder for job in jobs if job.folder is not None and job.exit_code == 0})
    if len(finished) < 2:
        return []
    # A single run needs none of it.
    from cvrun.command._picking import lines_about
    from cvrun.report.sweep import read_run

    return lines_about([read_run(RunFolder(Path(folder))) for folder in finished])


def _job(file: Path, relay: Relay, fail_fast: bool, job: HydraJob) -> None:
    """Train one job and add its outcome to file; an error of one job does not reach the others."""
    began = time.monotonic()
    number = job.number
    if number is None:
        ending = attempt(lambda: train(job.compose(), job.words))
    else:
        # A launcher may have brought the job to another process.
        relay.listen()
        if relay.stopped or (fail_fast and any(earlier.exit_code for earlier in read(file))):
            ending = Ending("not started", 1)
        else:
            ending = attempt(lambda: train_apart(job.compose, job.words, number, relay))
    if ending.text:
        show(ending.text, kept=ending.folder)
    seconds = time.monotonic() - began
    # What the folds of a cross-validation come to is asked for after a sweep alone.
    fold = fold_numbers(job.config.get("split")) if number is not None else None
    status = RunFolder(ending.folder).read_status() if fold and ending.folder else None
    metrics = metrics_of(status or {})
    folder = None if ending.folder is None else os.fspath(ending.folder)
    append(
        file, Job(number or 0, job.said, ending.score, seconds, ending.state, ending.exit_code, fold, metrics, folder)
    )
