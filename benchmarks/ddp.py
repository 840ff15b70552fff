"""What a second device brings: the same run in one process and in two that train together over gloo, on the CPU.

Whole commands run in turn, ROUNDS times, each process with one thread; from the times of their records come images a
second without start-up, printed as medians with their range. On a machine whose cores are busy otherwise the second
process has none. With several GPUs the same is done over NCCL; where they are not there, a line says so.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import torch

EPOCHS, ROUNDS, BATCH = 6, 5, 128
LOG = 2
"""[steps] Between records."""
WORDS = (
    *("data.size=32", "model.width=16", "model.drop_rate=0.0", "trainer.sync_batch_norm=true", "augment=none"),
    *("trainer.eval_every=1000ep", "trainer.save_every=1000ep", f"trainer.log_every={LOG}st"),
    *("threads=1", "workers=1", "trainer.precision=fp32", "logger=jsonl", "name=ddp"),
)


def run(words: list[str], epochs: int) -> tuple[float, list[float]]:
    """Train once; give images a second, and the losses of the records."""
    with tempfile.TemporaryDirectory() as root:
        command = [sys.executable, "-m", "cvrun", "train", *WORDS, *words, f"output_root={root}"]
        command += [f"trainer.epochs={epochs}", f"trainer.batch_size={BATCH}"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        if done.returncode:
            raise SystemExit(done.stderr)
        (path,) = Path(root).glob("ddp/*/records.jsonl")
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [row for row in rows if "train/loss" in row and "val/loss" not in row]
    times = [datetime.fromisoformat(row["time"]).timestamp() for row in rows]
    pace = statistics.median(b - a for a, b in zip(times, times[1:], strict=False))
    return LOG * BATCH / max(pace, 1e-3), [row["train/loss"] for row in rows]


def compare(device: str, worlds: list[int], epochs: int, rounds: int) -> None:
    """Print a line for each number of processes."""
    rates: dict[int, list[float]] = {world: [] for world in worlds}
    losses: dict[int, list[float]] = {}
    for _ in range(rounds):
        for world in worlds:
            rate, losses[world] = run([f"device={device}", f"devices={world}"], epochs)
            rates[world].append(rate)
    alone = statistics.median(rates[1])
    for world in worlds:
        rate, span = statistics.median(rates[world]), f"{min(rates[world]):,.0f} to {max(rates[world]):,.0f}"
        gap = max(abs(a - b) / abs(b) for a, b in zip(losses[world], losses[1], strict=True))
        same = f"x {rate / alone:.2f}, largest difference of a loss {gap:.1e}"
        print(f"{world} {device:<4} {rate:9,.0f} images/s  ({span})  {same}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of one epoch: that it works, not how fast")
    epochs, rounds = (1, 1) if parser.parse_args(arguments).quick else (EPOCHS, ROUNDS)
    print(f"batch {BATCH} at 32 pixels, {epochs} epochs, {rounds} rounds, {os.cpu_count()} cores")
    compare("cpu", [1, 2], epochs, rounds)
    gpus = torch.cuda.device_count()
    if gpus < 2:
        print(f"cuda: not measured, {gpus} GPUs are there and two are needed")
        return
    compare("cuda", [1, 2, *([gpus] if gpus > 2 else [])], epochs, rounds)


if __name__ == "__main__":
    main()
