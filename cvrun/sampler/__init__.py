"""Samplers: which training images an epoch shows, and in which order.

Contract of an option module: a flat frozen dataclass `Config` and
`build(config: Config, labels: NDArray[int64], num_classes: int, seed: int) -> Sampler`; labels are those of the
training split. To add one, write `cvrun/sampler/NAME.py` and `configs/sampler/NAME.yaml` (with `option: NAME`).
An order is a pure function of (seed, epoch): `generator(seed, "shuffle", epoch)`.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Sampler = Callable[[int], Tensor]
"""Epoch -> positions in the training split, int64 (N,), as many as the split holds."""
