"""cvrun's trainer against a hand-written loop over the same pipeline: segments of steps in turn, in one process.

Both step the same model; a second bare loop shows the noise. Evaluations and checkpoints are out of reach, so it is the
cost of the loop that is seen. overhead.py does the same for nets so small that microseconds show, on data in memory;
this is about the workloads of the other tables.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from contenders import BENCHMARKS
from process import run as run_process
from workloads import DIGITS, PHOTOS, RESNET18, SMALL, images

from suites import Options, say
from suites.training import job_of

STEPS = {DIGITS.name: 400, SMALL.name: 60, RESNET18.name: 16, PHOTOS[0].name: 6}
"""[steps] Of a segment."""

ROUNDS = 9


def run(options: Options) -> dict:
    """Give the seconds a step of each round."""
    rows = []
    for workload in (DIGITS, SMALL, RESNET18, PHOTOS[0]):
        if options.quick and workload is not DIGITS:
            continue
        try:
            data = images.folder(workload.data, workload.train, workload.val, options.work / "data")
        except FileNotFoundError as error:
            say(f"{workload.name}: left out, {error}")
            continue
        found = _segments(replace(workload, epochs=10_000), data, options)
        say(f"{workload.name}: {found.get('failed') or 'done'}")
        rows.append({"workload": asdict(workload), **found})
    return {"rows": rows}


def _segments(workload, data: Path, options: Options) -> dict:
    steps, rounds = (3, 1) if options.quick else (STEPS[workload.name], max(ROUNDS, options.rounds))
    job = job_of(replace(workload, lr=0.001), data, options) | {
        "flags": {"keys": {"trainer.eval_every": "5000ep", "trainer.save_every": "5000ep"}},
        "scratch": str(options.scratch / "runs"),
    }
    file = options.scratch / "job.json"
    file.write_text(json.dumps(job))
    script = BENCHMARKS / "peers" / "segments.py"
    command = [sys.executable, str(script), str(file), str(steps), str(rounds)]
    environment = {"OMP_NUM_THREADS": str(options.threads), "CVRUN_CACHE": str(options.scratch / "cache")}
    found = run_process(command, Path(job["result"]), options.scratch / "log.txt", environment)
    return {"failed": found["failed"]} if "failed" in found else {"steps": steps, "rounds": found["rounds"]}
