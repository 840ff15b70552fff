"""How long `cvrun train` takes to its first step, against importing the libraries that it needs.

The processes run in turn, ROUNDS times: one that imports torch, torchvision and the model's library and ends, and a
run that ends as soon as its first optimizer step is done. Printed are medians with their range, and the median of the
ratio within a round. The goal is a ratio of at most 1.15.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 7
"""Rounds, unless --quick asks for one."""

IMAGES = ["data.size=32", "data.channels=3"]
MODELS = {
    "convnet": ("torch, torchvision", ["model=convnet"]),
    "torchvision": ("torch, torchvision", ["model=torchvision", "model.name=resnet18", *IMAGES]),
    "timm": ("torch, torchvision, timm", ["model=timm", "model.name=test_resnet", *IMAGES]),
}
"""Model -> what its run needs in the end, and how to ask for it."""

QUESTIONS = {"--help": ["--help"], "--cfg job": ["train", "+exp=digits", "--cfg", "job"]}


def processor() -> float:
    """Give the [seconds] of processor time of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds(words: list[str], code: int, **variables: str) -> tuple[float, float]:
    """Give the [seconds] of a process, which must end with this code, by the clock and of the processor."""
    began, used = time.perf_counter(), processor()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env={**os.environ, **variables})
    took = time.perf_counter() - began, processor() - used
    if done.returncode != code:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
    return took


def first_step(words: list[str]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as root:
        command = ["-m", "cvrun", "train", "+exp=digits", *words, f"output_root={root}"]
        return seconds(command, 137, CVRUN_FAULT="step.updated=kill")


def show(values: list[float]) -> str:
    return f"{statistics.median(values):5.2f} ({min(values):.2f} to {max(values):.2f})"


def line(name: str, took: list[tuple[float, float]]) -> str:
    clock, used = zip(*took, strict=True)
    return f"{name:<32} {show(clock)} s by the clock, {show(used)} s of the processor"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of the smallest model, to see that it works")
    quick = parser.parse_args(arguments).quick
    rounds, models = (1, ["convnet"]) if quick else (ROUNDS, list(MODELS))
    print(f"{rounds} rounds, {os.cpu_count()} cores, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', '')}")
    for model in models:
        libraries, words = MODELS[model]
        rows: dict[str, list[tuple[float, float]]] = {f"import {libraries}": [], "cvrun to the first step": []}
        for _ in range(rounds):
            rows[f"import {libraries}"].append(seconds(["-c", f"import {libraries}"], 0))
            rows["cvrun to the first step"].append(first_step(words))
        print(f"model={model}")
        print("\n".join(line(f"  {name}", took) for name, took in rows.items()))
        theirs, ours = rows.values()
        clock, used = ([a[i] / b[i] for a, b in zip(ours, theirs, strict=True)] for i in (0, 1))
        print(f"{'  ratio':<32} {show(clock)}   by the clock, {show(used)}   of the processor")
    for name, words in QUESTIONS.items():
        print(line(f"cvrun {name}", [seconds(["-m", "cvrun", *words], 0) for _ in range(rounds)]))


if __name__ == "__main__":
    main()
