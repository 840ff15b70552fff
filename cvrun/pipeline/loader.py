"""Batches: take images, move them to the device as uint8, augment, normalize.

The batch of a step is a pure function of (seed, step): the epoch's order comes from the sampler, the numbers of
augmentation from per-sample keys. So a run resumes at any step without replaying, and workers change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cvrun.augment import Augment
from cvrun.pipeline import Batch, Images, to_device
from cvrun.pipeline.feed import Draw, fed
from cvrun.pipeline.shard import shard
from cvrun.rng import key, sample_keys
from cvrun.sampler import Sampler

Normalize = Callable[[Tensor], Tensor]
"""Image (B, C, H, W) in [0, 255] -> float32 (B, C, H, W)."""


@dataclass(frozen=True)
class TrainLoader:
    """The training batches.

    Attributes:
        store: The training images.
        sampler: The order of each epoch.
        augment: Random changes.
        normalize: To what the model sees.
        seed: Of order and augmentation.
        batch_size: [images] Of every batch, over all ranks.
        steps_per_epoch: [steps] What an epoch's order has beyond them is left out.
        total_steps: [steps] Where to end.
        device: Where the batches are wanted.
        workers: Threads that take images ahead, where that takes long.
        timeout: [s] After which such a thread is replaced.
        rank: Whose share of each batch is given.
        world: Number of ranks.
    """

    store: Images
    sampler: Sampler
    augment: Augment
    normalize: Normalize
    seed: int
    batch_size: int
    steps_per_epoch: int
    total_steps: int
    device: torch.device
    workers: int = 0
    timeout: float = math.inf
    rank: int = 0
    world: int = 1

    def __call__(self, start: int) -> Iterator[Batch]:
        """Give the batches of the steps from start to the last."""
        for draw, image in fed(self.store, self._draws(start), self.device, self.workers, self.timeout):
            # The keys stay on the CPU: to choose the samples of an operation there makes no GPU wait.
            batch = self.augment.change(Batch(image, draw.target, draw.index), draw.keys)
            yield Batch(self.normalize(batch.image), batch.target, batch.index)

    def _draws(self, start: int) -> Iterator[Draw]:
        """Give what is drawn for each step from start to the last."""
        share = shard(self.batch_size, self.rank, self.world)
        epoch, first = divmod(start, self.steps_per_epoch)
        left = self.total_steps - start
        while left > 0:
            order = self.sampler(epoch)[: self.steps_per_epoch * self.batch_size]
            keys = sample_keys(key(self.seed, "augment", epoch), self.store.index[order], occurrences(order))
            # A row a step: each rank has its columns.
            steps = slice(first, min(self.steps_per_epoch, first + left))
            order, keys = (part.view(self.steps_per_epoch, -1)[steps, share] for part in (order, keys))
            index = to_device(self.store.index[order], self.device)
            targets = _targets(self.store.targets, order, self.device)
            for parts in zip(order, keys, index, targets, strict=True):
                yield Draw(*parts)
            left -= len(order)
            epoch, first = epoch + 1, 0


def evaluation_batches(
    store: Images,
    normalize: Normalize,
    batch_size: int,
    device: torch.device,
    workers: int = 0,
    timeout: float = math.inf,
    rank: int = 0,
    world: int = 1,
) -> Callable[[], Iterator[Batch]]:
    """Give a function that gives every image of store once, in order; the last batch may be smaller.

    Args:
        store: The images; nothing is drawn for them.
        normalize: To what the model sees.
        batch_size: [images]
        device: Where the batches are wanted.
        workers: Threads that take images ahead, where that takes long.
        timeout: [s] After which such a thread is replaced.
        rank: Which of the batches are given: rank, rank + world, ...
        world: Number of ranks.
    """

    def draws() -> Iterator[Draw]:
        for rows in torch.arange(len(store)).split(batch_size)[rank::world]:  # type: ignore[no-untyped-call]
            keys = torch.zeros_like(rows)
            there = (to_device(part[rows], device) for part in (store.index, store.targets))
            yield Draw(rows, keys, *there)

    def batches() -> Iterator[Batch]:
        for draw, image in fed(store, draws(), device, workers, timeout):
            yield Batch(normalize(image), draw.target, draw.index)

    return batches


def _targets(targets: Tensor, order: Tensor, device: torch.device) -> Iterable[Tensor]:
    """Give the targets of each row of order, (S, B), on device: classes and labels in one copy, masks one by one."""
    if targets.ndim <= 2:
        return to_device(targets[order], device)
    return (to_device(targets[rows], device) for rows in order)


def occurrences(order: Tensor) -> Tensor:
    """Give how often each entry of order came before, int64 (N,): [5, 7, 5, 5] -> [0, 0, 1, 2]."""
    sorted_values, places = order.sort(stable=True)
    position = torch.arange(len(order))
    starts = torch.ones(len(order), dtype=torch.bool)
    starts[1:] = sorted_values[1:] != sorted_values[:-1]
    first = torch.where(starts, position, 0).cummax(0).values
    result = torch.empty_like(order)
    result[places] = position - first
    return result
