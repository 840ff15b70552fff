"""Batches from a store: gather rows, move them to the device as uint8, augment, normalize.

The batch of a step is a pure function of (seed, step): the epoch's order comes from the sampler, the numbers of
augmentation from per-sample keys. So a run resumes at any step without replaying, and workers change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cvrun.augment import Augment
from cvrun.pipeline import Batch
from cvrun.pipeline.store import Store
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
        batch_size: [images] Of every batch; what an epoch's order has beyond whole batches is left out.
        total_steps: [steps] Where to end.
        device: Where the batches are wanted.
    """

    store: Store
    sampler: Sampler
    augment: Augment
    normalize: Normalize
    seed: int
    batch_size: int
    total_steps: int
    device: torch.device

    def __call__(self, start: int) -> Iterator[Batch]:
        """Give the batches of the steps from start to the last."""
        steps_per_epoch = len(self.store) // self.batch_size
        step = start
        while step < self.total_steps:
            epoch, first = divmod(step, steps_per_epoch)
            order = self.sampler(epoch)
            repeats = occurrences(order)
            base = key(self.seed, "augment", epoch)
            for position in range(first, min(steps_per_epoch, first + self.total_steps - step)):
                rows = slice(position * self.batch_size, (position + 1) * self.batch_size)
                batch = gather(self.store, order[rows], self.device)
                keys = sample_keys(base, batch.index, repeats[rows].to(self.device))
                batch = self.augment.change(batch, keys)
                yield Batch(self.normalize(batch.image), batch.target, batch.index)
            step = (epoch + 1) * steps_per_epoch


def evaluation_batches(
    store: Store, normalize: Normalize, batch_size: int, device: torch.device
) -> Callable[[], Iterator[Batch]]:
    """Give a function that gives every image of store once, in order; the last batch may be smaller."""

    def batches() -> Iterator[Batch]:
        for rows in torch.arange(len(store)).split(batch_size):  # type: ignore[no-untyped-call]
            batch = gather(store, rows, device)
            yield Batch(normalize(batch.image), batch.target, batch.index)

    return batches


def gather(store: Store, rows: Tensor, device: torch.device) -> Batch:
    """Give rows of store as a batch on device: image uint8 (B, C, H, W), a channels-last view of what is stored."""
    image = store.images[rows].to(device, non_blocking=True).permute(0, 3, 1, 2)
    return Batch(image, store.targets[rows].to(device), store.index[rows].to(device))


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
