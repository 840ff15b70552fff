"""Some samples of a batch: taken out, changed, put back.

What happens to some samples is done to them alone, so that its cost falls with their number. Keys may lie on the CPU
while the images lie on another device: then who is chosen is known without waiting for that device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_CACHED = 1 << 17
"""[values] What a CPU works on at once, so that the next operation finds it in the cache."""


def pieces(index: Tensor, x: Tensor) -> Iterator[Tensor]:
    """Give index, int64 (n,), in pieces of as many samples of x as a CPU keeps in its cache; elsewhere whole."""
    num = max(1, _CACHED // max(1, x[0].numel())) if x.device.type == "cpu" else max(1, len(index))
    return iter(index.split(num))  # type: ignore[no-untyped-call]


def chosen(flags: Tensor) -> Tensor:
    """Give the positions at which flags, bool (B,), holds: int64 (n,) on flags' device."""
    return flags.nonzero()[:, 0]


def take(x: Tensor, index: Tensor) -> Tensor:
    """Give the samples of x at index, int64 (n,), in the memory format of x; a view of x if that is cheaper."""
    if _single(x, index):
        return x.narrow(0, int(index[0]), 1)
    where = index.to(x.device, non_blocking=True)
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        # index_select of a permuted tensor copies element by element; of a dense one, whole samples.
        return x.permute(0, 2, 3, 1).index_select(0, where).permute(0, 3, 1, 2)
    return x.index_select(0, where)


def put(x: Tensor, index: Tensor, part: Tensor) -> None:
    """Write the samples of part into x, in place, at index, int64 (n,)."""
    if _single(x, index):
        x.narrow(0, int(index[0]), 1).copy_(part)
        return
    dense = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    target, source = (x.permute(0, 2, 3, 1), part.permute(0, 2, 3, 1)) if dense else (x, part)
    if x.device.type == "cpu" and index.device.type == "cpu" and source.is_contiguous():
        # NumPy copies whole samples, torch's index_copy_ value by value: 15 times slower for uint8.
        target.numpy()[index.numpy()] = source.numpy()
    else:
        target.index_copy_(0, index.to(x.device, non_blocking=True), source)


def _single(x: Tensor, index: Tensor) -> bool:
    return len(index) == 1 and x.device.type == "cpu" and index.device.type == "cpu"


def change_some(x: Tensor, flags: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Give x with the samples changed for which flags, bool (B,), holds; x itself when there is none.

    Args:
        x: Images (B, C, H, W) or masks (B, H, W); not written to.
        flags: On the device of the keys.
        change: (samples (n, ...), their positions int64 (n,) on flags' device) -> samples of the same shape and dtype;
            called for a few samples at a time.
    """
    index = chosen(flags)
    if len(index) == 0:
        return x
    result = torch.empty_like(x) if len(index) == len(x) else x.clone()
    for piece in pieces(index, x):
        put(result, piece, change(take(x, piece), piece))
    return result


def wide(values: Tensor, like: Tensor) -> Tensor:
    """Give values (B,) as float32 (B, 1, 1, 1) on the device of like."""
    return values.to(torch.float32).to(like.device, non_blocking=True)[:, None, None, None]
