"""Steps of a run's own model over invented images, timed in float32 and in bfloat16."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from cvrun import options
from cvrun.arithmetic import arranged, autocast
from cvrun.metric import Metric
from cvrun.model import Shape
from cvrun.optimizer import param_groups
from cvrun.optimizer._layout import keep_layout
from cvrun.pipeline import Batch
from cvrun.rehearse import smallest_part
from cvrun.spec import Spec
from cvrun.trainer import TrainingPlan

SHORT = 30.0
"""[seconds] A run of less stays in float32: there is little to win."""

_ENOUGH = 20e9
"""[FLOP] Of the images that are timed at a time, a second of work at most, and at least _LEAST of them."""

_LEAST = 8

_ROUNDS = 5
"""Steps of each precision that are timed, in turn; the median counts."""

_BUDGET = 6.0
"""[seconds] After which no further round of steps begins."""


@dataclass(frozen=True)
class Work:
    """What the steps of a run consist of.

    Attributes:
        spec: What the user wants.
        training: The numbers of the loop; of its precision nothing is known yet.
        shape: What the model must fit.
        train_counts: Training images of each class, int64 (K,).
        metrics: What an evaluation measures.
        threads: [threads] Of torch on the CPU.
        num_parameters: Trainable numbers of the model.
        flops: [FLOP] Of the model for an image, forward.
    """

    spec: Spec
    training: TrainingPlan
    shape: Shape
    train_counts: NDArray[np.int64]
    metrics: tuple[Metric, ...]
    threads: int
    num_parameters: int
    flops: float

    @property
    def num_images(self) -> int:
        """The images that are timed at a time: a part of a batch, or less where the model is large."""
        part = smallest_part(self.training, self.spec.settings.devices)
        return min(part, max(_LEAST, int(_ENOUGH / max(3 * self.flops, 1))))

    def seconds(self, step: float) -> float:
        """Give how long the run takes [seconds] when a step over num_images takes step seconds."""
        return step * self.training.total_steps * self.training.batch_size / self.num_images


class ShortRunError(Exception):
    """The run is so short in float32 that nothing else is timed."""


def measured(work: Work) -> dict[str, float]:
    """Give the [seconds] of a step in each precision, the median; the steps alternate.

    Raises:
        ShortRunError: If the run is short in float32.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(work.threads)
    try:
        with torch.random.fork_rng(devices=[]), tqdm(desc="measure precision", disable=None, leave=False, delay=1):
            began = time.perf_counter()
            step = step_of(work)
            # The first step of a kind is slower than all others.
            step("fp32")
            times = {"fp32": [step("fp32")]}
            if work.seconds(times["fp32"][0]) < SHORT:
                raise ShortRunError
            step("bf16")
            times["bf16"] = [step("bf16")]
            while len(times["bf16"]) < _ROUNDS and time.perf_counter() - began < _BUDGET:
                for name, values in times.items():
                    values.append(step(name))
    finally:
        torch.set_num_threads(threads)
    return {name: statistics.median(values) for name, values in times.items()}


def step_of(work: Work) -> Callable[[str], float]:
    """Give a function that makes an optimizer step over invented images with weights of its own, on the CPU.

    It takes the precision of the step and gives the [seconds] that it took.
    """
    spec, shape, device = work.spec, work.shape, torch.device("cpu")

    def built(group: str, *arguments: Any) -> Any:
        return options.build(group, spec.parts[group].option, spec.parts[group].config, *arguments)

    # What is set up for bf16 computes as ever without autocast, so one model serves both.
    model: nn.Module = arranged(built("model", shape, False), "bf16", device).train()
    task = built("task", built("loss", work.train_counts), work.metrics, ())
    groups = param_groups(model, spec.parts["optimizer"].config.weight_decay)
    # The weights hardly move: the time of a step must not depend on whether the training is any good.
    optimizer: torch.optim.Optimizer = built("optimizer", groups, 1e-8)
    keep_layout(optimizer)
    image = torch.randn(work.num_images, shape.size, shape.size, shape.channels).permute(0, 3, 1, 2)
    target = torch.randint(shape.num_classes, (work.num_images,))
    if "labels" in options.targets("task", spec.parts["task"].option):
        target = torch.randint(2, (work.num_images, shape.num_classes), dtype=torch.uint8)
    batch = Batch(image, target, torch.arange(work.num_images))

    def step(precision: str) -> float:
        began = time.perf_counter()
        with autocast(precision, device)():
            loss = task.loss(model, batch, batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - began

    return step
