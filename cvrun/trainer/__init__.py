"""The trainer: one loop for every task, driven by numbers and objects that others chose.

`Run` is what it needs, `TrainingPlan` the numbers in it, `State` (state.py) the only thing that changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from cvrun.dist import Together
from cvrun.folder import RunFolder
from cvrun.logger import Record
from cvrun.metric import Prediction
from cvrun.pipeline import Batch
from cvrun.scheduler import Schedule, Span
from cvrun.task import Task
from cvrun.trainer.cost import Cost
from cvrun.trainer.saver import NoSaver, Saver
from cvrun.tta import TTA


@dataclass(frozen=True)
class TrainingPlan:
    """Every number of the loop.

    Attributes:
        total_steps: [steps] Optimizer steps of the whole run.
        steps_per_epoch: [steps] Optimizer steps an epoch.
        eval_every: [steps] Between evaluations; the last step always has one.
        save_every: [steps] Between checkpoints.
        log_every: [steps] Between records of the training loss.
        batch_size: [images] A step.
        accumulate: Parts into which a batch is cut.
        max_grad_norm: Gradients with a larger norm are scaled down to it; inf: never.
        ema_decay: Of the averaged weights; 0: none.
        lr: The peak learning rate, after scaling by the batch size.
        warmup_steps: [steps] Of the linear warmup.
        seed: Of everything random in training.
        precision: fp32, bf16 or fp16.
        monitor: The judging metric, such as "val/accuracy".
        mode: "max" or "min".
        min_delta: By how much a better score must be better.
        delta_mode: "abs" or "rel".
    """

    total_steps: int
    steps_per_epoch: int
    eval_every: int
    save_every: int
    log_every: int
    batch_size: int
    accumulate: int
    max_grad_norm: float
    ema_decay: float
    lr: float
    warmup_steps: int
    seed: int
    precision: str
    monitor: str
    mode: str
    min_delta: float
    delta_mode: str

    @property
    def span(self) -> Span:
        """The steps over which the schedule decays."""
        return Span(self.total_steps - self.warmup_steps, self.warmup_steps, self.steps_per_epoch, self.lr)

    @property
    def judged(self) -> str:
        """Whose score the monitor is: "val/ema" or "val", as in State.models()."""
        return "val/ema" if self.monitor.startswith("val/ema/") else "val"

    def is_eval(self, step: int) -> bool:
        """Whether the model is evaluated after step updates."""
        return step > 0 and (step % self.eval_every == 0 or step == self.total_steps)

    def is_log(self, step: int) -> bool:
        """Whether the training loss is recorded after step updates."""
        return step % self.log_every == 0

    def is_save(self, step: int) -> bool:
        """Whether the state is committed after step updates."""
        return step % self.save_every == 0

    def is_kept(self, step: int) -> bool:
        """Whether a state is committed after step updates although nothing stops the run there."""
        return self.is_eval(step) or self.is_save(step)


class Stop(Protocol):
    """Says whether the user or the system wants the run to stop."""

    @property
    def requested(self) -> bool:
        """Whether to stop at the next step boundary."""


class Recorder(Protocol):
    """Takes records and the news of each step; all loggers behind one door."""

    def advance(self, step: int) -> None:
        """Learn that step updates are done."""

    def write(self, record: Record) -> None:
        """Take a record."""

    def say(self, text: str) -> None:
        """Take a line for the person who watches."""

    def sync(self) -> None:
        """Make every record so far durable; called before a commit, which must not know of one that may be lost."""


@dataclass(frozen=True)
class Run:
    """The objects of a run; none of them changes, but for the plateau inside schedule, which is part of State.

    Attributes:
        plan: The numbers.
        folder: Where the run lives.
        task: What is predicted, compared, measured.
        schedule: The learning rate of each step.
        together: The ranks that train together.
        share: A part of a batch, the batch, whether it is the last part -> the part's share of the mean loss.
        train_batches: Start step -> the batches from there to the last step, augmented and normalized; of several
            ranks, this one's share of each.
        step_images: Step -> positions in the manifest of the images of all ranks, int64 (batch_size,).
        val_batches: -> the validation images once, in order, normalized; of several ranks, this one's share.
        autocast: -> the precision in which model and loss are computed.
        clip: Scales gradients down where they are too large.
        recorder: The loggers.
        saver: Commits states.
        stop: Whether to stop.
        tta: The views of the last evaluation.
        checkpoint_meta: What a checkpoint says about its run: classes, fingerprints, normalization, environment.
        ids: Name of each image of the manifest, to which `Batch.index` refers.
        val_ids: Name of each validation image, in order.
        cost: Time and memory, earlier processes included.
    """

    plan: TrainingPlan
    folder: RunFolder
    task: Task
    schedule: Schedule
    together: Together
    share: Callable[[Batch, Batch, bool], Tensor]
    train_batches: Callable[[int], Iterator[Batch]]
    step_images: Callable[[int], Tensor]
    val_batches: Callable[[], Iterator[Batch]]
    autocast: Callable[[], AbstractContextManager[Any]]
    clip: Callable[[list[Tensor]], object]
    recorder: Recorder
    saver: Saver | NoSaver
    stop: Stop
    tta: TTA
    checkpoint_meta: Mapping[str, Any]
    ids: tuple[str, ...]
    val_ids: tuple[str, ...]
    cost: Cost


@dataclass(frozen=True)
class Evaluation:
    """The outcome of one pass over a split."""

    prediction: Prediction
    metrics: dict[str, float]


PLAIN = TTA(views=(), merge="mean")
"""No views: the plain prediction."""


class Ema(Protocol):
    """Averaged weights."""

    def models(self) -> dict[str, nn.Module]:
        """Give the averaged model under the name "val/ema", or nothing."""

    def update(self, model: nn.Module) -> None:
        """Move the average towards model; called after each step."""

    def state_dict(self) -> dict[str, Any]:
        """Give weights and update count."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take weights and update count."""
