"""What cvrun's loop costs a step, against a bare PyTorch loop on the same model, batches and optimizer.

Both loops run in one process in turn, ROUNDS times; printed are the medians with their range. A third contender is
the bare loop again, so that the noise of the machine shows.
"""

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional

from cvrun import config
from cvrun.build import build_loggers, build_run, header
from cvrun.prepare import prepare
from cvrun.trainer.loop import train
from cvrun.trainer.saver import Saver

STEPS, ROUNDS = 400, 7


class Never:
    requested = False


def built(root: Path):
    overrides = ["model.width=4", "model.blocks=[1]", "trainer.batch_size=64", "optimizer=sgd", "logger=jsonl"]
    lengths = [f"trainer.epochs={STEPS // 22 + 1}", "trainer.eval_every=1000ep", "trainer.save_every=1000ep"]
    prepared = prepare(config.compose([*overrides, *lengths, f"output_root={root}"]))
    prepared.plan.folder.path.mkdir(parents=True, exist_ok=True)
    recorder = build_loggers(prepared.plan)
    saver = Saver(prepared.plan.folder.checkpoints, "stop", recorder.say)
    run, state = build_run(prepared, recorder, saver, Never(), lambda: 0.0)
    recorder.open(header(prepared.plan, 0, 0))
    return run, state, recorder


def bare(run, state) -> float:
    """The least a loop has to do: the same batches, loss, step."""
    began = time.perf_counter()
    for step, batch in enumerate(run.train_batches(0)):
        if step == STEPS:
            break
        functional.cross_entropy(state.model(batch.image), batch.target).backward()
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
    return (time.perf_counter() - began) / STEPS


def whole(run, state) -> float:
    """cvrun's loop; evaluation and checkpoints are out of reach."""
    stop = StopAfter(state)
    run = dataclasses.replace(run, stop=stop)
    began = time.perf_counter()
    train(run, state)
    return (stop.seen - began) / STEPS


class StopAfter:
    def __init__(self, state):
        self.state, self.seen = state, 0.0

    @property
    def requested(self) -> bool:
        if self.state.step < STEPS:
            return False
        self.seen = self.seen or time.perf_counter()
        return True


def main() -> None:
    rows: dict[str, list[float]] = {"bare": [], "bare again": [], "cvrun": []}
    with tempfile.TemporaryDirectory() as root:
        for number in range(ROUNDS):
            for name, loop in (("bare", bare), ("cvrun", whole), ("bare again", bare)):
                run, state, recorder = built(Path(root) / f"{number}-{name}")
                state.model.train()
                rows[name].append(loop(run, state))
                recorder.close()
    print(f"{STEPS} steps of batch 64, {ROUNDS} rounds, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for name, seconds in rows.items():
        us = [1e6 * value for value in seconds]
        print(f"{name:<12}{statistics.median(us):8.0f} us a step  ({min(us):.0f} to {max(us):.0f})")
    extra = [1e6 * (c - b) for b, c in zip(rows["bare"], rows["cvrun"], strict=True)]
    print(f"{'extra':<12}{statistics.median(extra):8.0f} us a step  ({min(extra):.0f} to {max(extra):.0f})")


if __name__ == "__main__":
    main()
