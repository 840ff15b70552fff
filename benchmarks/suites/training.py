"""Whole trainings side by side: each contender a process, one after the other, round after round."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from contenders import BENCHMARKS, CONTENDERS, SAME_AGAIN, Contender, python_of, taking_part
from process import run as run_process
from workloads import DIGITS, WORKLOADS, Workload, images

from suites import Options, say

CHOOSE_FROM = (0, 1, 2)
"""Numbers of worker processes that a loader is tried with."""


def run(options: Options) -> dict:
    """Give the rounds of every workload."""
    chosen = [DIGITS.smaller()] if options.quick else WORKLOADS
    words = options.workloads
    chosen = [w for w in chosen if not words or any(w.name.replace(", ", "/").endswith(word) for word in words)]
    best: dict = {}
    return {"workloads": [compare(workload, best, options) for workload in chosen]}


def compare(workload: Workload, best: dict, options: Options) -> dict:
    """Give the rounds of one workload, contenders in turn; best keeps numbers of workers for the next."""
    found: dict = {"workload": asdict(workload), "rows": [], "skipped": []}
    try:
        data = images.folder(workload.data, workload.train, workload.val, options.work / "data")
    except FileNotFoundError as error:
        say(f"{workload.name}: left out, {error}")
        return found | {"skipped": [str(error)]}
    rows = []
    part = taking_part(workload.rows, options.peers)
    # In a quick run each program once; else cvrun once more, as a control.
    part = [c for c in part if c.label == c.peer] if options.quick else _with_control(part)
    for contender in part:
        if python_of(contender, workload.model) is None:
            found["skipped"].append(f"{contender.label}: not installed, `make bench-peers` does that")
            say(f"{workload.name}: {found['skipped'][-1]}")
            continue
        workers = _best_workers(contender, workload, data, best, options) if contender.loads else 2
        rows.append({"label": contender.label, "says": contender.says, "workers": workers, "rounds": []})
    # Nobody's first run in the table is also the first that reads the files; cvrun decodes them here.
    if rows and not options.quick and any(c.peer == "cvrun" for c in part):
        say(f"{workload.name}, before: {short(train(CONTENDERS[0], replace(workload, epochs=1), data, 2, 0, options))}")
    for number in range(options.rounds):
        for row in list(rows):
            contender = _named(row["label"])
            result = train(contender, workload, data, row["workers"], number, options)
            say(f"{workload.name}, round {number + 1}, {row['label']}: {short(result)}")
            row["rounds"].append(result)
            if "failed" in result:
                rows.remove(row)
                found["skipped"].append(f"{row['label']}: {result['failed']}")
    return found | {"rows": rows}


def train(contender: Contender, workload: Workload, data: Path, workers: int, seed: int, options: Options) -> dict:
    """Run a contender once, in folders of its own; give what process.run gives, with the rate after the first epoch."""
    scratch = options.scratch / "runs"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    cache = options.scratch / ("cache-cold" if contender.cold else "cache")
    if contender.cold:
        shutil.rmtree(cache, ignore_errors=True)
    job = job_of(workload, data, options) | {
        "seed": seed,
        "workers": workers,
        "flags": contender.flags,
        "scratch": str(scratch),
    }
    file = options.scratch / "job.json"
    file.write_text(json.dumps(job))
    script = BENCHMARKS / "peers" / f"{contender.script}.py"
    command = [str(python_of(contender, workload.model)), str(script), str(file)]
    environment = {"OMP_NUM_THREADS": str(options.threads), "CVRUN_CACHE": str(cache), "PYTHONWARNINGS": "ignore"}
    found = run_process(command, Path(job["result"]), options.scratch / "log.txt", environment)
    if "failed" in found:
        return found
    later = found["epochs"][1:] or found["epochs"]
    return found | {"rate": sum(e["images"] for e in later) / sum(e["seconds"] for e in later)}


def job_of(workload: Workload, data: Path, options: Options) -> dict:
    """Give what peers/job.py expects, for cvrun at its defaults."""
    return {
        "data": str(data),
        "model": workload.model,
        "size": workload.size,
        "crop": workload.crop,
        "hflip": workload.hflip,
        "classes": sum(1 for _ in (data / "train").iterdir()),
        "train": sum(1 for _ in (data / "train").glob("*/*")),
        "batch": workload.batch,
        "epochs": workload.epochs,
        "lr": workload.lr,
        "threads": options.threads,
        "seed": 0,
        "workers": 2,
        "flags": {},
        "scratch": str(options.scratch / "runs"),
        "result": str(options.scratch / "result.json"),
    }


def _best_workers(contender: Contender, workload: Workload, data: Path, best: dict, options: Options) -> int:
    """Give the number of worker processes with which a program is fastest, in a run of two epochs each.

    It is looked for with the program's defaults: for timm and Ultralytics in every workload, for the others in the
    first workload of a kind of data.
    """
    if options.quick:
        return 0
    own = workload.name if contender.script in ("timm_train", "ultralytics_train") else workload.data
    if (own, contender.script) not in best:
        rates = {}
        for workers in CHOOSE_FROM:
            result = train(contender, replace(workload, epochs=2), data, workers, 0, options)
            rates[workers] = result.get("rate", 0.0)
        best[own, contender.script] = max(rates, key=lambda workers: rates[workers])
        tried = ", ".join(f"{workers}: {rate:,.0f}" for workers, rate in rates.items())
        say(f"{workload.name}, {contender.label}: images/s by workers {tried}")
    return best[own, contender.script]


def _with_control(contenders: list[Contender]) -> list[Contender]:
    """Give contenders, with cvrun once more at the end."""
    again = [replace(c, label=SAME_AGAIN) for c in contenders if c.label == "cvrun"]
    return [*contenders, *again]


def _named(label: str) -> Contender:
    return next(c for c in CONTENDERS if c.label == ("cvrun" if label == SAME_AGAIN else label))


def short(result: dict) -> str:
    """Give a result in a few words."""
    if "failed" in result:
        return f"failed, {result['failed']}"
    rates = f"{result['rate']:,.0f} images/s, {result['wall']:.1f} s in all, accuracy {result['accuracy']:.3f}"
    return f"{rates}, {result['own']:,.0f} MiB"
