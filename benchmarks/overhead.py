"""What cvrun's loop costs a step, against a hand-tuned loop with the same pipeline, optimizer and mean loss.

The loops run in turn, in segments of STEPS steps on the same model in one process, ROUNDS times; a third contender is
the hand-tuned loop again, so that the noise of the machine shows. Printed are medians with their range, by the clock
and of the processor, which on a machine with other work says more. The goals: at most 30 us a step, and at least 0.98
of the images/s where a step takes a few milliseconds.
"""

import argparse
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
from cvrun.trainer.cost import Cost
from cvrun.trainer.loop import train
from cvrun.trainer.saver import Saver

ROUNDS = 25

WORKLOADS = {
    "tiny": (200, ["model.width=4", "model.blocks=[1]", "trainer.batch_size=64"]),
    "convnet": (20, ["trainer.batch_size=64", "augment=basic", "augment.hflip=0.0"]),
    "test_resnet": (
        5,
        ["model=timm", "model.name=test_resnet", "data.size=32", "data.channels=3", "trainer.batch_size=128"],
    ),
}
"""Workload -> steps of a segment, and how to ask for it."""


class Never:
    requested = False


class StopAfter:
    """Asks for a stop at a step, and notes when it was first asked for it."""

    def __init__(self, state, last: int):
        self.state, self.last, self.seen = state, last, None

    @property
    def requested(self) -> bool:
        if self.state.step < self.last:
            return False
        self.seen = self.seen or now()
        return True


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def built(root: Path, words: list[str]):
    never = ["trainer.epochs=10000", "trainer.eval_every=10000ep", "trainer.save_every=10000ep"]
    own = [
        "optimizer=sgd",
        "logger=jsonl",
        "trainer.precision=fp32",
        f"threads={torch.get_num_threads()}",
        f"output_root={root}",
    ]
    prepared = prepare(config.compose([*words, *never, *own]))
    prepared.plan.folder.path.mkdir(parents=True, exist_ok=True)
    recorder = build_loggers(prepared.plan)
    saver = Saver(prepared.plan.folder.checkpoints, "stop", recorder.say)
    run, state = build_run(prepared, recorder, saver, Never(), Cost())
    recorder.open(header(prepared.plan, 0, 0))
    return run, state, recorder


def tuned(run, state, steps: int) -> tuple[float, float]:
    """The least that a loop has to do that is used to the end: the same batches, rates, step and mean loss."""
    model, optimizer, schedule = state.model, state.optimizer, run.schedule
    total = torch.zeros((), dtype=torch.float64)
    began = now()
    for step, batch in enumerate(run.train_batches(state.step)):
        if step == steps:
            break
        loss = functional.cross_entropy(model(batch.image), batch.target)
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = schedule.lr(step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        total += loss.detach() * len(batch.target)
    ended = now()
    assert total.isfinite()
    return ended[0] - began[0], ended[1] - began[1]


def whole(run, state, steps: int) -> tuple[float, float]:
    """cvrun's loop, from its start to where it is asked to stop; the commit that follows is not counted."""
    stop = StopAfter(state, state.step + steps)
    began = now()
    train(dataclasses.replace(run, stop=stop), state)
    return stop.seen[0] - began[0], stop.seen[1] - began[1]


def show(values: list[float], digits: int = 0) -> str:
    low, mid, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{mid} ({low} to {high})"


def measure(name: str, steps: int, words: list[str], rounds: int) -> None:
    rows: dict[str, list[tuple[float, float]]] = {"tuned": [], "cvrun": [], "tuned again": []}
    with tempfile.TemporaryDirectory() as root:
        run, state, recorder = built(Path(root), words)
        state.model.train()
        tuned(run, state, steps)
        whole(run, state, steps)
        for _ in range(rounds):
            for contender, loop in (("tuned", tuned), ("cvrun", whole), ("tuned again", tuned)):
                rows[contender].append(loop(run, state, steps))
        recorder.close()
    print(f"{name}: {steps} steps of {run.plan.batch_size} images a segment, {rounds} rounds")
    for kind, place in (("clock", 0), ("processor", 1)):
        us = {contender: [1e6 * pair[place] / steps for pair in pairs] for contender, pairs in rows.items()}
        near = [(a + b) / 2 for a, b in zip(us["tuned"], us["tuned again"], strict=True)]
        extra = [ours - theirs for ours, theirs in zip(us["cvrun"], near, strict=True)]
        ratio = [theirs / ours for ours, theirs in zip(us["cvrun"], near, strict=True)]
        noise = [b - a for a, b in zip(us["tuned"], us["tuned again"], strict=True)]
        print(f"  by the {kind}: tuned {show(us['tuned'])}, cvrun {show(us['cvrun'])} us a step")
        print(f"    cvrun costs {show(extra)} us more, {show(ratio, 3)} of the images/s; tuned again {show(noise)} us")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a moment of the smallest, to see that it works")
    quick = parser.parse_args(arguments).quick
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    for name, (steps, words) in WORKLOADS.items():
        if not quick or name == "tiny":
            measure(name, 3 if quick else steps, words, 1 if quick else ROUNDS)


if __name__ == "__main__":
    main()
