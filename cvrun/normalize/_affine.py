"""Normalizations that stretch and shift each channel: by mean and standard deviation, or by the ends of a range."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cvrun.normalize._saved import flag, numbers, shown

SHOWN = 8
"""Channels whose numbers a line for the user holds."""

LARGEST = torch.finfo(torch.float32).max


@dataclass(frozen=True)
class Affine:
    """y = (x / 255 - mean) / std for each channel; one multiply-add on the device.

    Attributes:
        mean: A value a channel or one for all, on the scale [0, 1].
        std: A value a channel or one for all, on the scale [0, 1], > 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Tensor) -> Tensor:
        """Give image (B, C, H, W), uint8 or float32 in [0, 255], normalized as float32."""
        if image.device.type != "cpu" or not image.is_contiguous(memory_format=torch.channels_last):
            scale, shift = _constants(self.mean, self.std, image.device, 0)
            return torch.addcmul(shift, image, scale)
        # Whole rows at a time: with three channels side by side a loop of three numbers takes twice as long.
        num, channels, height, width = image.shape
        scale, shift = _constants(self.mean, self.std, image.device, width * channels // len(self.mean))
        rows = image.permute(0, 2, 3, 1).reshape(num * height, width * channels)
        values = rows.to(torch.float32)
        normalized = torch.addcmul(shift, values, scale, out=torch.empty_like(rows) if values is rows else values)
        return normalized.view(num, height, width, channels).permute(0, 3, 1, 2)

    def statistics(self, image: Tensor) -> None:
        """Give None: nothing depends on the image."""

    def inverse(self, normalized: Tensor, statistics: object = None) -> Tensor:
        """Give the image, float32 in [0, 255], of a normalized one (B, C, H, W); what lies beyond becomes the bound."""
        mean, std = (
            torch.tensor(value, dtype=torch.float64).mul(255).to(normalized.device, torch.float32)[:, None, None]
            for value in (self.mean, self.std)
        )
        return torch.addcmul(mean, normalized, std).clamp_(0, 255)

    def state(self) -> dict[str, Any]:
        """Give the numbers as plain values, for a checkpoint."""
        return {"kind": "affine", "mean": list(self.mean), "std": list(self.std)}

    def described(self) -> str:
        """Give the numbers for a person."""
        return f"mean {listed(self.mean)}, std {listed(self.std)}"

    @classmethod
    def from_state(cls, state: Mapping[str, Any], channels: int) -> Affine:
        """Give what state() described.

        Raises:
            ValueError: If it describes none for images of that many channels.
        """
        mean, std = numbers(state, "mean", channels), numbers(state, "std", channels)
        if len(mean) != len(std):
            raise ValueError(f"std has {len(std)} numbers, expected {len(mean)} as mean has")
        for centre, divisor in zip(mean, std, strict=True):
            # What float32 does not hold would come out as infinity for every image.
            if not (divisor > 0 and max(1 / 255, abs(centre)) / divisor <= LARGEST):
                raise ValueError(f"std holds {shown(divisor)}, expected numbers > 0")
        return cls(mean, std)


@dataclass(frozen=True)
class Range:
    """y = (x - low) / (high - low) for each channel; where high equals low, only shifted.

    Attributes:
        low: What becomes 0, a value a channel or one for all, on the scale [0, 255].
        high: What becomes 1, likewise, >= low.
        clip: Whether what lies outside becomes 0 or 1.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    clip: bool

    def __call__(self, image: Tensor) -> Tensor:
        """Give image (B, C, H, W), uint8 or float32 in [0, 255], normalized as float32."""
        normalized = self.affine(image)
        return normalized.clamp_(0, 1) if self.clip else normalized

    @functools.cached_property
    def affine(self) -> Affine:
        """The same without clipping."""
        widths = [(high - low) or 255.0 for low, high in zip(self.low, self.high, strict=True)]
        return Affine(tuple(low / 255 for low in self.low), tuple(width / 255 for width in widths))

    def statistics(self, image: Tensor) -> None:
        """Give None: nothing depends on the image."""

    def inverse(self, normalized: Tensor, statistics: object = None) -> Tensor:
        """Give the image, float32 in [0, 255]; what was clipped becomes the bound that it was clipped to."""
        return self.affine.inverse(normalized)

    def state(self) -> dict[str, Any]:
        """Give the numbers as plain values, for a checkpoint."""
        return {"kind": "range", "low": list(self.low), "high": list(self.high), "clip": self.clip}

    def described(self) -> str:
        """Give the numbers for a person."""
        pairs = list(zip(self.low, self.high, strict=True))
        wide = [k for k, (low, high) in enumerate(pairs) if low < high]
        clipped = ", clipped" if self.clip else ""
        if not wide:
            return f"{listed(self.low, 2)} becomes 0, only shifted for want of a second level{clipped}"
        said = f"{listed(self.low, 2)} to {listed(self.high, 2)} becomes 0 to 1{clipped}"
        flat = [str(k) for k in range(len(pairs)) if k not in set(wide)]
        one = f"; of one level and only shifted: channel {', '.join(flat[:SHOWN])}{', ...' if flat[SHOWN:] else ''}"
        return said + one * bool(flat)

    @classmethod
    def from_state(cls, state: Mapping[str, Any], channels: int) -> Range:
        """Give what state() described.

        Raises:
            ValueError: If it describes none for images of that many channels.
        """
        low, high = numbers(state, "low", channels), numbers(state, "high", channels)
        if len(low) != len(high):
            raise ValueError(f"high has {len(high)} numbers, expected {len(low)} as low has")
        if not all(0 <= a <= b <= 255 for a, b in zip(low, high, strict=True)):
            raise ValueError(f"low is {shown(low)} and high is {shown(high)}, expected 0 <= low <= high <= 255")
        return cls(low, high, flag(state, "clip"))


def listed(values: Sequence[float], digits: int = 4) -> str:
    """Give numbers side by side, of many channels the first ones."""
    texts = [f"{value:.{digits}f}" for value in values[:SHOWN]]
    return " ".join([*texts, f"... ({len(values)} channels)"] if len(values) > SHOWN else texts)


@functools.lru_cache(maxsize=16)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device, repeats: int
) -> tuple[Tensor, Tensor]:
    """Give factor and summand, float32 (C, 1, 1), or of rows of pixels: all values that many times, unless that is 0.

    They are kept, since a copy to the device in each step would stall it.
    """
    divisor = torch.tensor(std, dtype=torch.float64)
    centre = torch.tensor(mean, dtype=torch.float64)
    pair = (1.0 / (255.0 * divisor)).to(device, torch.float32), (-centre / divisor).to(device, torch.float32)
    scale, shift = (value.repeat(repeats) if repeats else value[:, None, None] for value in pair)
    return scale, shift
