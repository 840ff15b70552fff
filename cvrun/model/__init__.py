"""Models: networks that turn images into logits.

Contract of an option module:

- `Config`: a flat frozen dataclass;
- `build(config: Config, shape: Shape, pretrained: bool) -> nn.Module`: (B, C, H, W) float32 -> logits (B, K). With
  pretrained=False no weights are loaded whatever the config says (a checkpoint follows, or only shapes matter);
- `pretrained_statistics(config: Config) -> tuple[Sequence[float], Sequence[float]] | None`: mean and std of the
  input that the pretrained weights of config expect, on the scale [0, 1], or None when it names no weights.

To add one, write `cvrun/model/NAME.py` and `configs/model/NAME.yaml` (with `option: NAME`).
Initial weights are drawn from torch's global generator, which the caller has seeded.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """What a model must fit.

    Attributes:
        channels: Channels of the input.
        size: Height and width of the input [pixels].
        num_classes: Number of logits.
        classes: Names of the logits, in order; empty where only shapes matter.
    """

    channels: int
    size: int
    num_classes: int
    classes: tuple[str, ...] = ()
