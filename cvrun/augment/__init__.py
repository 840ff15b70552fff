"""Augmentation: random changes of a whole training batch, as tensor operations on the device.

Contract of an option module: a flat frozen dataclass `Config` and `build(config: Config) -> Augment`.
To add one, write `cvrun/augment/NAME.py` and `configs/augment/NAME.yaml` (with `option: NAME`).
Numbers are drawn per sample with `rng.uniform(keys, num, "name of the operation")`, so a sample's draw depends on
its key alone, never on its neighbours or on the batch size. Geometric operations are applied to `batch.target` as
well when it is a mask, (B, H, W). Evaluation never augments.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from cvrun.pipeline import Batch

Augment = Callable[[Batch, Tensor], Batch]
"""(batch with image uint8 (B, C, H, W), keys int64 (B,)) -> batch; image uint8 or float32 in [0, 255]."""
