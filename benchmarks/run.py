"""Benchmarks of cvrun against what people use; `--page` writes docs/benchmarks.md from their results.

    python benchmarks/run.py                       # every suite, an hour and more on 2 cores; --rounds 3 halves it
    python benchmarks/run.py --suites training --peers cvrun,timm --rounds 3
    python benchmarks/run.py --page

Results go to one JSON file with every round; a suite that runs again replaces its earlier results there,
and with `--workloads` only those of these trainings.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import host
import page
from contenders import CONTENDERS
from suites import Options, say

ROOT = Path(__file__).resolve().parents[1]
SUITES = ("training", "tuned", "input", "growth", "parity", "micro")


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line says; give the exit code."""
    asked = _parser().parse_args(arguments)
    peers = sorted({contender.peer for contender in CONTENDERS})
    unknown = [f"--suites {s}" for s in asked.suites if s not in SUITES]
    unknown += [f"--peers {p}" for p in asked.peers if p not in peers]
    if unknown:
        say(f"{', '.join(unknown)}: expected of {', '.join(SUITES)} and {', '.join(peers)}")
        return 2
    if not asked.page:
        _measure(asked)
    if asked.page or asked.and_page:
        gpu = json.loads(asked.gpu.read_text()) if asked.gpu.is_file() else None
        asked.page_file.write_text(page.page(json.loads(asked.out.read_text()), gpu))
        say(f"wrote {asked.page_file}")
    return 0


def _parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    listed = {"type": lambda text: tuple(text.split(",")), "metavar": "A,B"}
    words.add_argument("--suites", default=SUITES, help=f"of {','.join(SUITES)}", **listed)
    words.add_argument("--peers", default=(), help="programs that take part (all)", **listed)
    words.add_argument("--workloads", default=(), help="ends of names, such as cifar/resnet18 (all)", **listed)
    words.add_argument("--rounds", type=int, default=5, help="of each contender (5)")
    words.add_argument("--threads", type=int, default=2, help="of the arithmetic, and cores for everything (2)")
    words.add_argument("--quick", action="store_true", help="one short round, to see that it runs; measures nothing")
    words.add_argument("--out", type=Path, default=ROOT / "outputs" / "bench" / "results.json", help="the JSON file")
    words.add_argument("--work", type=Path, default=ROOT / "outputs" / "bench" / "work", help="folder for data")
    gpu = ROOT / "outputs" / "bench" / "gpu.json"
    words.add_argument("--gpu", type=Path, default=gpu, help="what gpu.py --out wrote, for the page")
    words.add_argument("--page", action="store_true", help="write the page from the JSON file, and measure nothing")
    words.add_argument("--and-page", action="store_true", help="measure, then write the page")
    words.add_argument("--page-file", type=Path, default=ROOT / "docs" / "benchmarks.md", help="where the page goes")
    return words


def _measure(asked: argparse.Namespace) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked.threads])
    os.environ["OMP_NUM_THREADS"] = str(asked.threads)
    # An end by a signal takes the contender along.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    asked.work.mkdir(parents=True, exist_ok=True)
    (asked.work / "data").mkdir(exist_ok=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    results = json.loads(asked.out.read_text()) if asked.out.is_file() else {"suites": {}}
    with tempfile.TemporaryDirectory(dir=asked.work) as scratch:
        rounds = 1 if asked.quick else asked.rounds
        options = Options(rounds, asked.quick, asked.peers, asked.workloads, asked.threads, asked.work, Path(scratch))
        _run_suites(asked, options, results)
    say(f"results in {asked.out}")


def _run_suites(asked: argparse.Namespace, options: Options, results: dict) -> None:
    for name in asked.suites:
        began, load = time.time(), os.getloadavg()[0]
        say(f"--- {name} (load of the machine before: {load:.1f})")
        found = importlib.import_module(f"suites.{name}").run(options)
        if name == "training" and options.workloads and name in results["suites"]:
            fresh_names = [one["workload"]["name"] for one in found["workloads"]]
            earlier = results["suites"][name]["workloads"]
            found["workloads"] += [one for one in earlier if one["workload"]["name"] not in fresh_names]
        about = {**host.facts(asked.threads), "load_before": load, "seconds": time.time() - began}
        results["suites"][name] = {"about": about, "config": _config(options), **found}
        fresh = asked.out.with_suffix(".fresh")
        fresh.write_text(json.dumps(results, indent=1))
        fresh.replace(asked.out)


def _config(options: Options) -> dict:
    return {"rounds": options.rounds, "quick": options.quick, "peers": list(options.peers), "threads": options.threads}


if __name__ == "__main__":
    raise SystemExit(main())
