"""Augmentation: random changes of a whole training batch, as tensor operations on the device.

Contract of an option module: a flat frozen dataclass `Config` and `build(config: Config, num_classes: int) -> Augment`.
To add one, write `cvrun/augment/NAME.py` and `configs/augment/NAME.yaml` (with `option: NAME`).
Numbers are drawn per sample with `rng.uniform(keys, num, "name of the operation")`, so a sample's draw depends on
its key alone, never on its neighbours or on the batch size. Geometric operations are applied to `batch.target` as
well when it is a mask, (B, H, W). Evaluation never augments. Images may have any number of channels: what is defined
for grey and RGB alone is named in `Augment.of_colour`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from cvrun.pipeline import Batch

Change = Callable[[Batch, Tensor], Batch]
"""(batch with image uint8 (B, C, H, W), keys int64 (B,)) -> batch; image uint8 or float32 in [0, 255].

Keys may lie on the CPU while the batch lies on a GPU: what is drawn is then known without waiting for the GPU.

The target may become class probabilities, float32 (B, K), where images are mixed. A sample may be mixed with the one
that stands opposite, B - 1 - i, and with no other: a batch that is shared out over devices keeps such pairs together.
"""

Region = Callable[[Tensor, Tensor], Tensor]
"""(height and width of each image int64 (B, 2), keys int64 (B,)) -> top, left, height, width of a box int64 (B, 4).

A box lies inside its image and holds at least one pixel.
"""


@dataclass(frozen=True)
class Augment:
    """What an option gives.

    Attributes:
        change: Random changes of a batch of images that have the form of the data.
        region: Which part of each image is cut out and brought to that form, before change; None: the whole image, as
            in an evaluation.
        side: [pixels] To which the shorter side of an image is reduced before a region is cut out of it; 0: never.
        of_colour: Keys of the option that are on and have a meaning for grey and RGB images alone.
    """

    change: Change
    region: Region | None = None
    side: int = 0
    of_colour: tuple[str, ...] = ()
