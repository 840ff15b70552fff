"""One training step, technique by technique: layout, precision, depthwise layers in float32, a fused optimizer, memory.

All variants of a model are stepped in turn, round after round, in one process and one thread, over the same invented
images; a number is the median over the rounds of how many times as fast as the plain step (fp32, NCHW, torch's default
SGD) the variant was, with the least and the most. Freed memory can only be kept by a whole process, so `--memory`
alternates processes. `auto` is what `trainer.precision=auto` would take by the figures in its row.

Run: .venv/bin/python -m benchmarks.step [--rounds N] [--only NAME,NAME] [--memory] [--quick]
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
import time

import timm
import torch
from torch.nn import functional

from cvrun.allocator import keep_freed
from cvrun.arithmetic import arranged, autocast
from cvrun.environment import processor
from cvrun.optimizer import param_groups
from cvrun.optimizer._layout import keep_layout
from cvrun.precision import GAIN

CPU = torch.device("cpu")
WORKLOADS = {
    "resnet18": (224, 8),
    "resnet50": (224, 8),
    "vit_tiny_patch16_224": (224, 8),
    "mobilenetv3_large_100": (224, 16),
    "efficientnet_b0": (224, 8),
    "convnext_atto": (224, 8),
    "test_resnet": (32, 64),
    "resnet18@32": (32, 64),
}
"""Name of timm's model -> height and width [pixels], batch [images]."""

VARIANTS = {
    "plain": {"layout": False, "precision": "fp32", "depthwise": False, "fused": False},
    "+ layout": {"layout": True, "precision": "fp32", "depthwise": False, "fused": False},
    "fp32": {"layout": True, "precision": "fp32", "depthwise": False, "fused": True},
    "+ bf16": {"layout": True, "precision": "bf16", "depthwise": False, "fused": False},
    "+ depthwise": {"layout": True, "precision": "bf16", "depthwise": True, "fused": False},
    "bf16": {"layout": True, "precision": "bf16", "depthwise": True, "fused": True},
}
"""fp32 and bf16 are cvrun's own; the others lead there."""


class Stepper:
    """A model with its optimizer, and the step of a variant."""

    def __init__(self, name, layout, precision, depthwise, fused):
        torch.manual_seed(0)
        size, batch = WORKLOADS[name]
        model = timm.create_model(name.partition("@")[0], num_classes=10).train()
        image = torch.randn(batch, size, size, 3).permute(0, 3, 1, 2)
        if layout:
            arranged(model, precision if depthwise else "fp32", CPU)
        else:
            image = image.contiguous()
        self.model, self.image, self.target = model, image, torch.arange(batch) % 10
        groups = param_groups(model, 1e-4)
        self.optimizer = torch.optim.SGD(groups, lr=1e-4, momentum=0.9, nesterov=True, fused=fused or None)
        if fused:
            keep_layout(self.optimizer)
        self.context = autocast(precision, CPU)

    def __call__(self) -> float:
        began = time.perf_counter()
        with self.context():
            loss = functional.cross_entropy(self.model(self.image), self.target)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - began


def measured(name: str, rounds: int) -> dict[str, list[float]]:
    """The seconds of a step of each variant, round by round; the first two rounds do not count."""
    steppers = {variant: Stepper(name, **keys) for variant, keys in VARIANTS.items()}
    times: dict[str, list[float]] = {variant: [] for variant in [*VARIANTS, "plain again"]}
    for number in range(rounds + 2):
        for variant, step in [*steppers.items(), ("plain again", steppers["plain"])]:
            seconds = step()
            if number >= 2:
                times[variant].append(seconds)
    return times


def ratios(times: dict[str, list[float]], variant: str) -> list[float]:
    return [plain / other for plain, other in zip(times["plain"], times[variant], strict=True)]


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def table(names: list[str], rounds: int) -> None:
    columns = ["plain again", *list(VARIANTS)[1:]]
    print("| model | plain [ms] | " + " | ".join(columns) + " | auto |")
    print("|---|---|" + "---|" * (len(columns) + 1))
    for name in names:
        times = measured(name, rounds)
        found = {variant: ratios(times, variant) for variant in columns}
        gain = statistics.median(times["fp32"]) / statistics.median(times["bf16"])
        auto = "bf16" if gain >= GAIN else "fp32"
        size, batch = WORKLOADS[name]
        label = f"{name.partition('@')[0]} {size} px, batch {batch}"
        cells = " | ".join(shown(found[variant]) for variant in columns)
        best = statistics.median(found[auto])
        print(f"| {label} | {1e3 * statistics.median(times['plain']):.1f} | {cells} | {auto}: {best:.2f} |", flush=True)


def alone(name: str, variant: str, kept: bool, rounds: int) -> tuple[float, float]:
    """The median seconds of a step and its page faults, in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.step", "--child", name, variant, str(int(kept)), str(rounds)]
    seconds, faults = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), float(faults)


def child(name: str, variant: str, kept: str, rounds: str) -> None:
    import resource

    keep_freed(kept == "1")
    step = Stepper(name, **VARIANTS[variant])
    for _ in range(3):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    seconds = statistics.median(step() for _ in range(int(rounds)))
    print(seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / int(rounds))


def memory(names: list[str], rounds: int, steps: int) -> None:
    print(
        "\n| model | variant | kept against given back | faults a step | faults a step, kept |\n|---|---|---|---|---|"
    )
    for name in names:
        for variant in ("fp32", "bf16"):
            pairs = [(alone(name, variant, False, steps), alone(name, variant, True, steps)) for _ in range(rounds)]
            gains = [given_back[0] / kept[0] for given_back, kept in pairs]
            faults = [statistics.median(pair[side][1] for pair in pairs) for side in (0, 1)]
            print(f"| {name} | {variant} | {shown(gains)} | {faults[0]:,.0f} | {faults[1]:,.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default=",".join(WORKLOADS))
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--quick", action="store_true", help="one round of the smallest model")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.child:
        child(*asked.child)
        return
    kept = keep_freed(True)
    names = ["test_resnet"] if asked.quick else asked.only.split(",")
    rounds = 1 if asked.quick else asked.rounds
    print(f"{processor()}, 1 thread, torch {torch.__version__}, timm {timm.__version__}, freed memory kept: {kept}")
    print(f"{rounds} rounds; times as fast as plain: median (least to most)\n")
    with contextlib.suppress(KeyboardInterrupt):
        table(names, rounds)
        if asked.memory or asked.quick:
            memory(names, 1 if asked.quick else 3, 2 if asked.quick else 8)


if __name__ == "__main__":
    main()
