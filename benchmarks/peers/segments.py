"""Segments of steps in turn: a bare loop, cvrun's trainer, the bare loop again; `segments.py JOB STEPS ROUNDS`.

All of them step the same model, as two of them lie differently in memory.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import time
from pathlib import Path

from job import read
from overrides import overrides
from tuned_loop import built, steps


class StopAfter:
    """Asks for a stop at a step, and keeps the time at which it was reached."""

    def __init__(self, state, step: int) -> None:
        self.state, self.step, self.seen = state, step, 0.0

    @property
    def requested(self) -> bool:
        if self.state.step < self.step:
            return False
        self.seen = self.seen or time.perf_counter()
        return True


def bare(run, state, count: int) -> float:
    """Give the seconds a step of the least that a loop has to do."""
    batches = run.train_batches(state.step)
    began = time.perf_counter()
    steps(run, state, batches, count)
    seconds = (time.perf_counter() - began) / count
    state.step += count
    return seconds


def whole(run, state, count: int) -> float:
    """Give the seconds a step of cvrun's loop; what it commits at the end does not count."""
    from cvrun.trainer.loop import train

    stop = StopAfter(state, state.step + count)
    began = time.perf_counter()
    train(dataclasses.replace(run, stop=stop), state)
    return (stop.seen - began) / count


def main() -> None:
    job, count, rounds = read(), int(sys.argv[2]), int(sys.argv[3])
    if job.model.startswith("bench_"):
        import network  # noqa: F401
    loops = {"bare": bare, "cvrun": whole, "bare again": bare}
    shutil.rmtree(job.scratch, ignore_errors=True)
    run, state, recorder = built([*overrides(job), f"output_root={job.scratch}"])
    state.model.train()
    found: list[dict[str, float]] = []
    for number in range(rounds + 1):
        seconds = {name: loop(run, state, count) for name, loop in loops.items()}
        # The first round warms up.
        if number > 0:
            found.append(seconds)
    recorder.close()
    shutil.rmtree(job.scratch, ignore_errors=True)
    Path(job.result).write_text(json.dumps({"rounds": found}))


if __name__ == "__main__":
    main()
