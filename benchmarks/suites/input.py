"""The input alone, on one core: files to augmented, normalized batches, cvrun's way against Pillow and torchvision.

cvrun's images are in its store from an earlier pass, as in every epoch but the first of the first run; the other side
reads and decodes each file, as it does in every epoch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from contenders import BENCHMARKS
from process import run as run_process
from workloads import PHOTOS, SMALL, images

from suites import Options, say
from suites.training import job_of

CASES = ("32 px, crop and flip", "224 px, random resized crop and flip", "512 px PNG with masks, crop and flips")


def run(options: Options) -> dict:
    """Give the images a second of each round."""
    rows = []
    for case, workload in zip(CASES, (SMALL, PHOTOS[0], None), strict=True):
        if options.quick and workload is not SMALL:
            continue
        try:
            found = _case(workload.smaller() if options.quick else workload, options)
        except FileNotFoundError as error:
            found = {"failed": str(error)}
        say(f"{case}: {found.get('failed') or 'done'}")
        rows.append({"case": case, **found})
    return {"rows": rows}


def _case(workload, options: Options) -> dict:
    result = options.scratch / "result.json"
    rounds = "1" if options.quick else str(max(5, options.rounds))
    if workload is None:
        archive = images.SHARED / "membrane.tar.gz"
        if not archive.is_file():
            raise FileNotFoundError(f"{archive} is not here")
        command = ["feed_masks.py", str(archive), rounds, str(result)]
    else:
        data = images.folder(workload.data, workload.train, workload.val, options.work / "data")
        job = job_of(workload, data, options) | {"threads": 1, "workers": 0, "flags": {"keys": {"threads": 1}}}
        file = options.scratch / "job.json"
        file.write_text(json.dumps(job))
        command = ["feed.py", str(file), rounds]
    environment = {"OMP_NUM_THREADS": "1", "CVRUN_CACHE": str(options.scratch / "cache")}
    script = str(BENCHMARKS / "peers" / command[0])
    found = run_process([sys.executable, script, *command[1:]], Path(result), options.scratch / "log.txt", environment)
    return {"failed": found["failed"]} if "failed" in found else {"rounds": found["rounds"]}
