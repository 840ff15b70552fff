"""Eight short runs as one sweep, against a shell loop of eight `cvrun train`; they take turns, ROUNDS times.

Each run is one epoch of the digits. Printed are medians with their range. The goal
is that the loop takes at least twice as long as the sweep.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 3
RUNS = 8


def cvrun(root: str, *words: str) -> None:
    command = [sys.executable, "-m", "cvrun", "train", *words, "+exp=digits", "trainer.epochs=1", f"output_root={root}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def timed(work, runs: int) -> float:
    began = time.perf_counter()
    work(runs)
    return time.perf_counter() - began


def sweep(runs: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        cvrun(root, "-m", f"seed={','.join(map(str, range(runs)))}")


def shell(runs: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        for seed in range(runs):
            cvrun(root, f"seed={seed}")


def show(values: list[float]) -> str:
    return f"{statistics.median(values):6.2f} ({min(values):.2f} to {max(values):.2f})"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of two runs, to see that it works")
    runs, rounds = (2, 1) if parser.parse_args(arguments).quick else (RUNS, ROUNDS)
    rows: dict[str, list[float]] = {"sweep": [], "shell": []}
    for _ in range(rounds):
        rows["sweep"].append(timed(sweep, runs))
        rows["shell"].append(timed(shell, runs))
    print(f"{runs} runs of digits, {rounds} rounds, {os.cpu_count()} cores")
    for name, took in rows.items():
        print(f"{name:<6} {show(took)} s")
    print(f"ratio  {show([b / a for a, b in zip(rows['sweep'], rows['shell'], strict=True)])}")


if __name__ == "__main__":
    main()
