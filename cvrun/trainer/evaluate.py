"""One pass over a split: every image once, in order, no padding."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from cvrun import fault
from cvrun.dist import ALONE, Together
from cvrun.metric import Prediction
from cvrun.pipeline import Batch
from cvrun.task import Task
from cvrun.trainer import PLAIN, Evaluation, Stop
from cvrun.tta import TTA

T = TypeVar("T")


class Interrupted(Exception):
    """A stop was requested in the middle of an evaluation."""


def evaluate(
    model: nn.Module,
    task: Task,
    batches: Iterator[Batch],
    autocast: Callable[[], contextlib.AbstractContextManager[Any]],
    tta: TTA = PLAIN,
    together: Together = ALONE,
) -> Evaluation:
    """Give predictions and metrics of model over the batches of all ranks, the same on each.

    Args:
        model: Of its buffers those of the first rank count.
        task: What is predicted and measured.
        batches: This rank's share: of W ranks, rank r has the batches r, r + W, ... of one that is alone.
        autocast: Gives the precision.
        tta: The views.
        together: The ranks.

    Raises:
        Interrupted: If batches do, on any rank.
    """
    together.align(model)
    mine: list[tuple[Tensor, Tensor]] = []
    stopped = False
    try:
        with inference(model):
            for batch in batches:
                with autocast():
                    predicted = task.predict(model, batch.image, tta)
                mine.append((predicted, batch.target))
    except Interrupted:
        stopped = True
    # Not batch by batch: a GPU would be waited for each time.
    moved = [(predicted.cpu(), target.cpu()) for predicted, target in mine]
    found = _in_turn(together.gather(None if stopped else moved))
    probabilities, targets = (torch.cat(part).numpy() for part in zip(*found, strict=True))
    prediction = Prediction(probabilities, targets.astype(np.int64))
    return Evaluation(prediction, task.metrics(prediction))


def _in_turn(shares: list[list[T] | None]) -> list[T]:
    """Give what the ranks have of the batches in the order of the batches; raise Interrupted where one has stopped."""
    whole = [share for share in shares if share is not None]
    if len(whole) < len(shares):
        raise Interrupted
    return [whole[at % len(whole)][at // len(whole)] for at in range(sum(map(len, whole)))]


def until_stopped(batches: Iterator[Batch], stop: Stop) -> Iterator[Batch]:
    """Give batches; raise Interrupted as soon as a stop is requested."""
    for batch in batches:
        fault.point("evaluate.batch")
        if stop.requested:
            raise Interrupted
        yield batch


@contextlib.contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Put model into evaluation mode without gradients, and back into the mode it was in."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)
