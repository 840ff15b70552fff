"""The images of drawn rows, on the device, in time.

They are taken ahead by threads where that takes long, and copied beside the computation where the device is another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cvrun.errors import StorageError
from cvrun.pipeline import Images
from cvrun.pipeline.workers import TRIES, GivenUpError, in_order

PIECE = 32
"""[images] that a thread takes at a time: a part of a batch, so that several threads work on the first one."""


@dataclass(frozen=True)
class Draw:
    """What is drawn for a batch.

    Attributes:
        rows: Which images, int64 (B,), on the CPU.
        keys: A key for each, int64 (B,), on the CPU.
        index: Positions in the manifest, int64 (B,), on the device.
        target: Class indices or masks, on the device.
    """

    rows: Tensor
    keys: Tensor
    index: Tensor
    target: Tensor


def fed(
    images: Images, draws: Iterator[Draw], device: torch.device, workers: int, timeout: float
) -> Iterator[tuple[Draw, Tensor]]:
    """Give each draw with its images, uint8 (B, C, H, W) on device, a channels-last view of what is stored.

    Args:
        images: Where they are taken from.
        draws: One a batch.
        device: Where they are wanted.
        workers: Threads that take images ahead, where that takes long.
        timeout: [s] After which such a thread is replaced.

    Raises:
        StorageError: If images are not there in time.
        CvrunError: If an image cannot be used.
    """
    taken = _ahead(images, draws, device, workers, timeout) if images.slow else _at_once(images, draws)
    if device.type == "cuda":
        taken = _beside(taken, device)
    for draw, image in taken:
        yield draw, image.permute(0, 3, 1, 2)


def _at_once(images: Images, draws: Iterator[Draw]) -> Iterator[tuple[Draw, Tensor]]:
    for draw in draws:
        yield draw, images.take(draw.rows, draw.keys)


def _ahead(
    images: Images, draws: Iterator[Draw], device: torch.device, workers: int, timeout: float
) -> Iterator[tuple[Draw, Tensor]]:
    def pieces() -> Iterator[tuple[Draw, Tensor, Tensor]]:
        for draw in draws:
            for rows, keys in zip(draw.rows.split(PIECE), draw.keys.split(PIECE), strict=True):  # type: ignore[no-untyped-call]
                yield draw, rows, keys

    def take(piece: tuple[Draw, Tensor, Tensor]) -> tuple[Draw, Tensor]:
        draw, rows, keys = piece
        return draw, images.take(rows, keys)

    parts: list[Tensor] = []
    try:
        for draw, part in in_order(take, pieces(), workers, timeout):
            parts.append(part)
            if sum(map(len, parts)) == len(draw.rows):
                yield draw, _joined(parts, device)
                parts = []
    except GivenUpError as error:
        message = f"the images of a batch cannot be read: {error}, tried {TRIES} times"
        raise StorageError(message, "does the disk answer? worker_timeout=SECONDS waits longer") from error


def _joined(parts: list[Tensor], device: torch.device) -> Tensor:
    if device.type != "cuda":
        return torch.cat(parts)
    shape = (sum(map(len, parts)), *parts[0].shape[1:])
    return torch.cat(parts, out=torch.empty(shape, dtype=torch.uint8, pin_memory=True))


def _beside(taken: Iterator[tuple[Draw, Tensor]], device: torch.device) -> Iterator[tuple[Draw, Tensor]]:
    """Copy each batch to the device, or make it there, while the one before is worked on."""
    beside, now = torch.cuda.Stream(device), torch.cuda.current_stream(device)  # type: ignore[no-untyped-call]
    waiting: tuple[Draw, Tensor] | None = None
    while True:
        with torch.cuda.stream(beside):
            draw, image = next(taken, (None, None))
            if image is not None and not image.is_cuda:
                image = (image if image.is_pinned() else image.pin_memory()).to(device, non_blocking=True)
        if waiting is not None:
            yield waiting
        if draw is None or image is None:
            return
        now.wait_stream(beside)
        for part in (image, draw.index, draw.target):
            # Made on another stream: their memory may not be given to others before this one is done with it.
            part.record_stream(now)
        waiting = draw, image
