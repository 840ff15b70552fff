"""Train a model: `cvrun train +exp=digits optimizer.lr=0.1`; `-m` sweeps; the same command again goes on."""

from __future__ import annotations

import functools
import os
import tempfile
import time
from pathlib import Path

from cvrun.command._output import say, show
from cvrun.command._sweep import Job, append, read, sweep_table
from cvrun.config import HydraJob, run_command
from cvrun.errors import CvrunError, DivergedError


def run(arguments: list[str]) -> int:
    """Train the job that the arguments describe, or each job of a sweep; give the exit code.

    A single run has its own exit code. A sweep goes on when a job fails, and ends with 1 if any did; a signal ends it.
    """
    handle, name = tempfile.mkstemp(prefix="cvrun-jobs-")
    os.close(handle)
    file = Path(name)
    try:
        run_command(arguments, "cvrun train", functools.partial(_job, file))
        jobs = read(file)
    finally:
        file.unlink()
    if not jobs:
        return 0
    if len(jobs) == 1 and not any(word in ("-m", "--multirun") for word in arguments):
        return jobs[0].exit_code
    show(sweep_table(jobs), kept="the folders of the runs")
    stopped = [job.exit_code for job in jobs if job.exit_code >= 128]
    if stopped:
        return stopped[0]
    return 1 if any(job.exit_code for job in jobs) else 0


def _job(file: Path, job: HydraJob) -> None:
    """Train one job and add its outcome to file; an error of one job does not reach the others."""
    began = time.monotonic()
    score: float | None = None
    if any(earlier.exit_code >= 128 for earlier in read(file)):
        state, code = "not started", 1
    else:
        try:
            score, state, code = _train(job)
        except CvrunError as error:
            word = "diverged" if isinstance(error, DivergedError) else "failed"
            state, code = f"{word}: {error}", error.exit_code
            _say(str(error))
        except (KeyboardInterrupt, SystemExit) as error:
            state, code = "interrupted", 143 if isinstance(error, SystemExit) else 130
            _say("interrupted")
        except Exception as error:
            line = " ".join(f"internal error, {type(error).__name__}: {error}".split())
            state, code = f"failed: {line}", 1
            _say(f"{line}; CVRUN_TRACEBACK=1 shows where")
    append(file, Job(job.number, job.said, score, time.monotonic() - began, state, code))


def _train(job: HydraJob) -> tuple[float | None, str, int]:
    spec = job.compose()
    from cvrun.command._execute import execute
    from cvrun.prepare import address
    from cvrun.report.summary import summary

    outcome = execute(spec, address(spec), rerun=spec.settings.rerun)
    show(summary(outcome.folder, outcome.status, outcome.note), kept=outcome.folder)
    return outcome.status.get("score"), str(outcome.status.get("state")), outcome.exit_code


def _say(line: str) -> None:
    say(f"cvrun train: {line}")
    if os.environ.get("CVRUN_TRACEBACK") == "1":
        import traceback

        traceback.print_exc()
