"""Eight views of test-time augmentation, in batches of a bounded size, against eight times one view.

One process, fp32, invented weights and images. In each round two batches are evaluated once as they are, once by the
eight views of tta=d4 in batches, and once by the same eight one after another. A number is the median over the rounds
of the views' seconds by eight times those of the plain evaluation of the same round, with the least and the most.

Run: .venv/bin/python -m benchmarks.views [--rounds N] [--quick]
"""

import argparse
import contextlib
import statistics
import time

import timm
import torch

from cvrun.allocator import keep_freed
from cvrun.arithmetic import arranged
from cvrun.environment import processor
from cvrun.normalize._affine import Affine
from cvrun.pipeline.loader import evaluation_batches
from cvrun.pipeline.store import Store
from cvrun.task._prior import unshifted
from cvrun.task.classification import Classification
from cvrun.trainer import PLAIN
from cvrun.trainer.evaluate import evaluate
from cvrun.tta import merge_views
from cvrun.tta.d4 import Config, build

CPU = torch.device("cpu")
WORKLOADS = {
    "test_resnet 32 px, 4 images": ("test_resnet", 32, 4),
    "test_resnet 32 px, 64 images": ("test_resnet", 32, 64),
    "test_resnet 32 px, 512 images": ("test_resnet", 32, 512),
    "resnet18 224 px, 1 image": ("resnet18", 224, 1),
    "resnet18 224 px, 16 images": ("resnet18", 224, 16),
    "vit_tiny 224 px, 8 images": ("vit_tiny_patch16_224", 224, 8),
}
"""What is shown -> name of timm's model, height and width [pixels], batch [images]."""


class OneByOne(Classification):
    """The same without batches of views."""

    def predict(self, model, image, tta):
        return merge_views(torch.stack([model(view.forward(image)).float() for view in tta.views]), tta.merge)


def measured(name: str, size: int, batch: int, rounds: int) -> dict[str, list[float]]:
    """How many times eight plain evaluations each way takes, round by round; the first two rounds do not count."""
    torch.manual_seed(0)
    model = arranged(timm.create_model(name, num_classes=10), "fp32", CPU)
    pixels = torch.randint(0, 256, (2 * batch, size, size, 3), dtype=torch.uint8)
    store = Store(pixels, torch.arange(2 * batch) % 10, torch.arange(2 * batch))
    batches = evaluation_batches(store, Affine((0.5,) * 3, (0.25,) * 3), batch, CPU)
    views, ratios = build(Config("mean")), {"in batches": [], "one by one": []}
    ways = {"plain": (Classification, PLAIN), "in batches": (Classification, views), "one by one": (OneByOne, views)}
    for number in range(rounds + 2):
        seconds = {}
        for way, (kind, tta) in ways.items():
            began = time.perf_counter()
            evaluate(model, kind(None, (), unshifted), batches(), contextlib.nullcontext, tta)
            seconds[way] = time.perf_counter() - began
        if number >= 2:
            for way, found in ratios.items():
                found.append(seconds[way] / (8 * seconds["plain"]))
    return ratios


def main(arguments: list[str] | None = None) -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--rounds", type=int, default=15, help="of each workload (15)")
    words.add_argument("--quick", action="store_true", help="one round of the smallest, to see that it runs")
    asked = words.parse_args(arguments)
    keep_freed(True)
    chosen = dict(list(WORKLOADS.items())[:1]) if asked.quick else WORKLOADS
    rounds = 1 if asked.quick else asked.rounds
    print(f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}, n = {rounds} rounds")
    print(f"{'of eight plain evaluations':32}" + "".join(f"{way:>24}" for way in ("in batches", "one by one")))
    for shown, workload in chosen.items():
        ratios = measured(*workload, rounds)
        cells = [f"{statistics.median(r):.2f} ({min(r):.2f} to {max(r):.2f})" for r in ratios.values()]
        print(f"{shown:32}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
