"""Normalization: from pixel values in [0, 255] to what the model sees.

Contract of an option module: a flat frozen dataclass `Config` and `build(config: Config, source: Source) -> Affine`.
To add one, write `cvrun/normalize/NAME.py` and `configs/normalize/NAME.yaml` (with `option: NAME`).
What is fitted is fitted on the training split alone; its numbers are stored in the checkpoint, and `eval` and
`predict` use those.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Affine:
    """y = (x / 255 - mean) / std for each channel; one multiply-add on the device.

    Attributes:
        mean: A value a channel, on the scale [0, 1].
        std: A value a channel, on the scale [0, 1], > 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Tensor) -> Tensor:
        """Give image (B, C, H, W), uint8 or float32 in [0, 255], normalized as float32."""
        if image.device.type != "cpu" or not image.is_contiguous(memory_format=torch.channels_last):
            scale, shift = _constants(self.mean, self.std, image.device, 0)
            return torch.addcmul(shift, image.to(torch.float32), scale)
        # Whole rows at a time: with three channels side by side a loop of three numbers takes twice as long.
        num, channels, height, width = image.shape
        scale, shift = _constants(self.mean, self.std, image.device, width)
        rows = image.permute(0, 2, 3, 1).reshape(num * height, width * channels)
        values = rows.to(torch.float32)
        normalized = torch.addcmul(shift, values, scale, out=torch.empty_like(rows) if values is rows else values)
        return normalized.view(num, height, width, channels).permute(0, 3, 1, 2)

    def state(self) -> dict[str, Any]:
        """Give the numbers as plain values, for a checkpoint."""
        return {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Affine:
        """Give what state() described."""
        return cls(tuple(map(float, state["mean"])), tuple(map(float, state["std"])))


@dataclass(frozen=True)
class Source:
    """What a normalization may be derived from.

    Attributes:
        channels: 1 or 3.
        train_images: Gives the training images in parts of any shape, uint8 (..., C).
        fingerprint: sha256 of those pixels, given on call; the key of cached statistics.
        pretrained: Mean and std that the model's pretrained weights expect, three values each on the scale
            [0, 1], or None without such weights.
    """

    channels: int
    train_images: Callable[[], Iterable[Tensor]]
    fingerprint: Callable[[], str]
    pretrained: tuple[Sequence[float], Sequence[float]] | None


def for_channels(mean: Sequence[float], std: Sequence[float], channels: int) -> Affine:
    """Give RGB statistics for the number of channels; grey images get the mean over the three."""
    if channels == len(mean):
        return Affine(tuple(mean), tuple(std))
    return Affine((sum(mean) / len(mean),) * channels, (sum(std) / len(std),) * channels)


@functools.lru_cache(maxsize=16)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device, width: int
) -> tuple[Tensor, Tensor]:
    """Give factor and summand, float32 (C, 1, 1), or (width * C,) for rows of that many pixels, unless width is 0.

    They are kept, since a copy to the device in each step would stall it.
    """
    divisor = torch.tensor(std, dtype=torch.float64)
    centre = torch.tensor(mean, dtype=torch.float64)
    pair = (1.0 / (255.0 * divisor)).to(device, torch.float32), (-centre / divisor).to(device, torch.float32)
    scale, shift = (value.repeat(width) if width else value[:, None, None] for value in pair)
    return scale, shift
