"""cvrun itself: its command line, in this process, with a clock around its evaluations.

An epoch's training lasts from the end of one evaluation to the beginning of the next, so the commit in between counts.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from job import Told, read
from overrides import overrides


def main() -> int:
    job = read()
    told = Told(job)
    if job.model.startswith("bench_"):
        import network  # noqa: F401
    from cvrun.cli import main as cvrun
    from cvrun.logger._records import read_records
    from cvrun.trainer import loop

    images = job.train // job.batch * job.batch
    real_evaluate, real_train = loop.evaluate, loop.train

    def evaluate(*args, **kwargs):
        told.end(images)
        try:
            return real_evaluate(*args, **kwargs)
        finally:
            told.began = time.perf_counter()

    def train(*args, **kwargs):
        told.begin()
        return real_train(*args, **kwargs)

    loop.evaluate = evaluate
    import cvrun.command._execute as execute

    execute.train = train
    code = cvrun(["train", *overrides(job), f"output_root={job.scratch}"])
    if code == 0:
        (records,) = Path(job.scratch).glob("*/*/records.jsonl")
        scores = [record["val/accuracy"] for record in read_records(records) if "val/accuracy" in record]
        told.write(scores[-1])
    return code


if __name__ == "__main__":
    sys.exit(main())
