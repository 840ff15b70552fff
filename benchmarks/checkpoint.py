"""What a checkpoint of about 100 MB costs the training loop, beside steps of a resnet18.

Segments of equal length run in turn in one process, ROUNDS times: without a commit; with one written beside training,
as cvrun does it; with the same one written while the loop waits. Printed are medians with their range: how long the
loop stands still, and how much longer the whole segment takes, which counts what the writer takes from the steps.
"""

import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from cvrun.trainer.saver import Saver

STEPS, ROUNDS, BATCH = 16, 7, 32


def network() -> nn.Module:
    import torchvision

    return torchvision.models.resnet18(num_classes=10)


class Training:
    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = network()
        self.optimizer = torch.optim.SGD(self.model.parameters(), 1e-3, momentum=0.9, fused=True)
        self.image, self.target = torch.randn(BATCH, 3, 64, 64), torch.randint(0, 10, (BATCH,))
        self.step()

    def step(self) -> None:
        functional.cross_entropy(self.model(self.image), self.target).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def content(self) -> dict:
        parts = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        return {"meta": {"run_id": "0" * 8}, "rng_scheme": 1, "state": parts}

    def size(self) -> int:
        return sum(value.nbytes for value in self.model.state_dict().values()) * 2


def segment(training: Training, saver: Saver | None, number: int, waits: bool) -> tuple[float, float]:
    """Give [seconds] of STEPS steps, and how long the loop stood still in them."""
    began, stood = time.perf_counter(), 0.0
    for step in range(STEPS):
        training.step()
        if step == 0 and saver is not None:
            before = time.perf_counter()
            saver.save(number, training.content(), None, 0, lambda: None)
            if waits:
                saver.wait()
            stood = time.perf_counter() - before
    # Like a run, whose next commit comes a minute later: the writer has ended by then.
    if saver is not None:
        saver.wait()
    return time.perf_counter() - began, stood


def main() -> None:
    training = Training()
    rows: dict[str, list[tuple[float, float]]] = {"none": [], "beside": [], "waiting": [], "none again": []}
    with tempfile.TemporaryDirectory() as root, Saver(Path(root), "stop", print) as saver:
        segment(training, saver, 0, False)
        for number in range(1, 2 * ROUNDS, 2):
            rows["none"].append(segment(training, None, number, False))
            rows["beside"].append(segment(training, saver, number, False))
            rows["waiting"].append(segment(training, saver, number + 1, True))
            rows["none again"].append(segment(training, None, number, False))
    threads = f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"a state of {training.size() / 1e6:.0f} MB, {STEPS} steps, {ROUNDS} rounds, {threads}")
    for name in ("beside", "waiting", "none again"):
        stood = [1e3 * stall for _, stall in rows[name]]
        extra = [1e3 * (a - b) for (a, _), (b, _) in zip(rows[name], rows["none"], strict=True)]
        share = statistics.median(extra) / 60e3
        print(f"{name:<11} stands still {show(stood)} ms, takes {show(extra)} ms longer: {share:.2%} at one a minute")


def show(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


if __name__ == "__main__":
    main()
