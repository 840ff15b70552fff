"""Images a second of the input alone, on one core, in turn; `feed.py JOB ROUNDS`.

One side is cvrun's training batches, the other ImageFolder with Pillow and transforms, in this process. Seconds are
those of the processor, threads included, which on one core are those of the clock when nobody else is at work.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import torch
from folder import loaders
from job import read
from overrides import overrides
from tuned_loop import built

SHORTEST = 0.7
"""[s] Each takes in a round."""


def rate(epoch, batch: int) -> float:
    """Give images a second of whole epochs of batches, for SHORTEST or longer."""
    images, began = 0, time.process_time()
    while True:
        for _ in epoch():
            images += batch
            if time.process_time() - began > SHORTEST:
                return images / (time.process_time() - began)


def main() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    job, rounds = read(), int(sys.argv[2])
    run, state, recorder = built([*overrides(job), f"output_root={job.scratch}"])
    recorder.close()
    torch.set_num_threads(1)
    pillow, _ = loaders(job)
    feeds = {"cvrun": lambda: run.train_batches(0), "pillow": lambda: pillow}
    found = []
    for number in range(rounds + 1):
        rates = {name: rate(epoch, job.batch) for name, epoch in feeds.items()}
        # The first round warms up.
        if number > 0:
            found.append(rates)
    shutil.rmtree(job.scratch, ignore_errors=True)
    Path(job.result).write_text(json.dumps({"rounds": found}))


if __name__ == "__main__":
    main()
