"""What a contender is told, and what it tells: a JSON file each way."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOMENTUM = 0.9
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet: every contender normalizes with them."""


@dataclass(frozen=True)
class Job:
    """One training, for any contender.

    Attributes:
        data: The folder with train/CLASS and val/CLASS.
        model: As in workloads.
        size: [pixels]
        crop: pad or resized.
        hflip: Whether images are mirrored.
        classes: Their number.
        train: [images] In the train folder.
        batch: [images]
        epochs: Their number.
        lr: Of SGD with Nesterov momentum, constant.
        threads: Of the arithmetic.
        seed: Of weights, order and augmentation.
        workers: Of a loader that has workers.
        flags: What this contender does differently from its documented default.
        scratch: A folder for what it writes.
        result: The file for what it tells.
    """

    data: str
    model: str
    size: int
    crop: str
    hflip: bool
    classes: int
    train: int
    batch: int
    epochs: int
    lr: float
    threads: int
    seed: int
    workers: int
    flags: dict[str, Any]
    scratch: str
    result: str

    @property
    def fast(self) -> bool:
        """Whether the contender is to use its best public flags."""
        return bool(self.flags.get("best"))


@dataclass
class Told:
    """What a contender tells: images and seconds of each epoch's training, and the accuracy at the end."""

    job: Job
    epochs: list[dict[str, float]] = field(default_factory=list)
    began: float = 0.0

    def begin(self) -> None:
        """An epoch's training begins."""
        self.began = time.perf_counter()

    def end(self, images: int) -> None:
        """It has ended, before the evaluation."""
        self.epochs.append({"images": images, "seconds": time.perf_counter() - self.began})

    def write(self, accuracy: float) -> None:
        """Write the file."""
        Path(self.job.result).write_text(json.dumps({"epochs": self.epochs, "accuracy": accuracy}))


def read() -> Job:
    """Give the job in the file that the command line names."""
    return Job(**json.loads(Path(sys.argv[1]).read_text()))
