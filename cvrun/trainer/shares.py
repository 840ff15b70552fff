"""What a part of a batch adds to the mean loss: on one device, or on one of several that share the batch."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from cvrun.dist import Together
from cvrun.pipeline import Batch
from cvrun.task import Task


class Single:
    """The batch is on this device alone."""

    def __init__(self, task: Task, forward: nn.Module) -> None:
        """Keep the task, and the model as training calls it."""
        self._task, self._forward = task, forward

    def __call__(self, part: Batch, whole: Batch, last: bool) -> Tensor:
        """Give part's share of the mean loss over whole; last: the parts of the batch end with this one."""
        return self._task.loss(self._forward, part, whole)


class Parallel:
    """The batch is spread over several ranks, by images that may differ in number and weight.

    A rank's loss is its share of the mean over the images of all ranks, so gradients are added up and not averaged.
    With the last part of a batch alone they travel. Buffers do not travel; see Together.align.
    """

    def __init__(self, task: Task, model: nn.Module, together: Together, find_unused: bool) -> None:
        """Begin.

        Args:
            task: Says what a loss and a weight are.
            model: On its device; all ranks have the same weights from here on.
            together: The ranks.
            find_unused: Whether the model has parameters that its loss does not reach, which costs time to find.
        """
        self._task, self._together = task, together
        device = next(model.parameters()).device
        # Renamed in torch 2.15, which warns of the old name.
        known = inspect.signature(DistributedDataParallel).parameters
        buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        self._parallel = DistributedDataParallel(
            model,
            device_ids=[device] if device.type == "cuda" else None,
            gradient_as_bucket_view=True,
            find_unused_parameters=find_unused,
            **{buffers: False},  # type: ignore[arg-type]
        )
        self._parallel.register_comm_hook(None, lambda state, bucket: _add_up(bucket))
        self._whole: Batch | None = None
        self._factor = torch.ones(())

    def __call__(self, part: Batch, whole: Batch, last: bool) -> Tensor:
        """Give part's share of the mean loss over the batches of all ranks."""
        if whole is not self._whole:
            weight = self._task.weight(whole)
            self._whole, self._factor = whole, weight / self._together.sum(weight)
        with contextlib.nullcontext() if last else self._parallel.no_sync():
            return self._task.loss(self._parallel, part, whole) * self._factor


def _add_up(bucket: Any) -> Future[Tensor]:
    """Give the sum of a GradBucket over the ranks; torch's own way would divide it by their number."""
    work: Any = torch.distributed.all_reduce(bucket.buffer(), async_op=True)
    added: Future[Tensor] = work.get_future().then(lambda future: future.value()[0])
    return added


def share_of(task: Task, model: nn.Module, together: Together, find_unused: Callable[[], bool]) -> Single | Parallel:
    """Give what computes the shares of the loss; find_unused is asked only where there are several ranks."""
    return Single(task, model) if together.world == 1 else Parallel(task, model, together, find_unused())
