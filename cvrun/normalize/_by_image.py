"""Normalization of each image by its own mean and standard deviation; nothing is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cvrun.errors import require
from cvrun.normalize._saved import number, shown, word

SCOPES = ("channel", "global")

EPS = 0.001
"""Smallest standard deviation that is divided by where no key says it, on the scale [0, 1]: a quarter of a level."""

Statistics = tuple[Tensor, Tensor]
"""Mean and what is divided by, float32 (B, C, 1, 1), on the scale [0, 255]."""


@dataclass(frozen=True)
class ByImage:
    """y = (x - mean) / max(std, eps) with the image's own mean and population standard deviation.

    A constant image gives zeros, to the bit.

    Attributes:
        scope: channel: a pair for each channel; global: one for the image.
        eps: On the scale [0, 1], > 0.
    """

    scope: str
    eps: float

    def __call__(self, image: Tensor) -> Tensor:
        """Give image (B, C, H, W), uint8 or float32 in [0, 255], normalized as float32."""
        rows, _, std = self._centred(image)
        num, channels, height, width = image.shape
        rows.mul_(std.reciprocal().repeat(1, width)[:, None])
        return rows.view(num, height, width, channels).permute(0, 3, 1, 2)

    def statistics(self, image: Tensor) -> Statistics:
        """Give what inverse needs to know of image (B, C, H, W)."""
        _, mean, std = self._centred(image)
        return mean[..., None, None], std[..., None, None]

    def inverse(self, normalized: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Give the image, float32 in [0, 255], of a normalized one (B, C, H, W).

        Args:
            normalized: What came out.
            statistics: Those of the image that went in.

        Raises:
            ValueError: If they are not given: they are lost otherwise.
        """
        if statistics is None:
            raise ValueError("a normalization by the image's own statistics has an inverse where these are given")
        return torch.addcmul(statistics[0], normalized, statistics[1]).clamp_(0, 255)

    def _centred(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give rows of pixels without their mean (B, H, W * C), mean (B, C) and what to divide by (B, C)."""
        num, channels, height, width = image.shape
        # Sums of whole rows first: with three channels side by side torch's own var_mean takes four times as long.
        rows = image.permute(0, 2, 3, 1).reshape(num, height, width * channels)
        # Of a constant image nothing is left to be rounded where the first pixel is taken away before the sum.
        first = rows[:, 0, :channels].to(torch.float32)
        first = first if self.scope == "channel" else first[:, :1].expand(-1, channels)
        values, start = rows.to(torch.float32), first.repeat(1, width)[:, None]
        values = values - start if values is rows else values.sub_(start)
        mean = self._mean(values, channels)
        values.sub_(mean.repeat(1, width)[:, None])
        variance = self._mean(values.square(), channels)
        return values, first + mean, variance.sqrt_().clamp_min_(255 * self.eps)

    def _mean(self, values: Tensor, channels: int) -> Tensor:
        """Give the mean of each image and channel, or of each image (B, C), of rows (B, H, W * C)."""
        height, width = values.shape[1], values.shape[2] // channels
        found = values.sum(1).view(-1, width, channels).sum(1) / (height * width)
        return found if self.scope == "channel" else found.mean(1, keepdim=True).expand(-1, channels).contiguous()

    def state(self) -> dict[str, Any]:
        """Give what it is as plain values, for a checkpoint."""
        return {"kind": "per_image", "scope": self.scope, "eps": self.eps}

    def described(self) -> str:
        """Give what is done, for a person."""
        whose = "each channel of each image" if self.scope == "channel" else "each image"
        return f"mean and std of {whose}, std at least {self.eps:g}"

    @classmethod
    def from_state(cls, state: Mapping[str, Any], channels: int) -> ByImage:
        """Give what state() described.

        Raises:
            ValueError: If it describes none.
        """
        scope, eps = word(state, "scope", SCOPES), number(state, "eps")
        if not 0 < eps <= 1:
            raise ValueError(f"eps is {shown(eps)}, expected 0 < eps <= 1")
        return cls(scope, eps)


def require_eps(eps: float) -> None:
    """Check the key `eps` of an option.

    Raises:
        RuleError: If it is out of range.
    """
    require(0 < eps <= 1, "eps", eps, "0 < eps <= 1, on the scale 0 to 1")
