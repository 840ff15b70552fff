"""One pass over a split: every image once, in order, no padding."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from cvrun import fault
from cvrun.metric import Prediction
from cvrun.pipeline import Batch
from cvrun.task import Task
from cvrun.trainer import PLAIN, Evaluation, Stop
from cvrun.tta import TTA


class Interrupted(Exception):
    """A stop was requested in the middle of an evaluation."""


def evaluate(
    model: nn.Module,
    task: Task,
    batches: Iterator[Batch],
    autocast: Callable[[], contextlib.AbstractContextManager[Any]],
    tta: TTA = PLAIN,
) -> Evaluation:
    """Give predictions and metrics of model over batches."""
    probabilities, targets = [], []
    with inference(model):
        for batch in batches:
            with autocast():
                predicted = task.predict(model, batch.image, tta)
            probabilities.append(predicted.cpu())
            targets.append(batch.target.cpu())
    prediction = Prediction(torch.cat(probabilities).numpy(), torch.cat(targets).numpy().astype(np.int64))
    return Evaluation(prediction, task.metrics(prediction))


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
