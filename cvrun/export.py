"""A trained model with all that stands before and behind it as one module: from pixels of any size to probabilities.

Resizing is two products with matrices of weights, as Pillow computes it (src/libImaging/Resample.c, precompute_coeffs,
with the triangle max(0, 1 - |t|)): ONNX's Resize has no antialiasing for a region that ends between two pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cvrun.data import ImageForm
from cvrun.normalize import Normalization


class Brought(nn.Module):
    """Images of one size, in the form of the data; the levels are those of Pillow's bilinear resizing, +-1."""

    def __init__(self, form: ImageForm) -> None:
        """Keep the form."""
        super().__init__()
        self.form = form

    def forward(self, image: Tensor) -> Tensor:
        """Give image, uint8 (B, C, h, w), as whole levels in [0, 255], float32 (B, C, size, size)."""
        height = torch.scalar_tensor(image.shape[2], dtype=torch.float64)
        width = torch.scalar_tensor(image.shape[3], dtype=torch.float64)
        rows = self._weights(torch.arange(image.shape[2], dtype=torch.float64), height, width)
        columns = self._weights(torch.arange(image.shape[3], dtype=torch.float64), width, height)
        # Pillow goes along the rows first, and keeps whole levels between.
        narrow = _levels(torch.matmul(image.to(torch.float32), columns.T))
        return _levels(torch.matmul(rows, narrow))

    def _weights(self, at: Tensor, length: Tensor, other: Tensor) -> Tensor:
        """Give the share of each source row in each row of the result, float32 (size, length); rows of a border are 0.

        Args:
            at: 0, 1, ... length - 1, float64.
            length: Of this side [pixels], a float64 scalar.
            other: Of the other side.
        """
        size = self.form.size
        place = torch.arange(size, dtype=torch.float64)
        # What of the source becomes `inner` rows of the result from row `before` on.
        begin = before = torch.zeros((), dtype=torch.float64)
        extent, inner = length, torch.full((), float(size), dtype=torch.float64)
        if self.form.fit == "crop":
            extent = torch.minimum(length, other)
            begin = (length - extent) / 2
        elif self.form.fit == "pad":
            inner = torch.round(length * (size / torch.maximum(length, other))).clamp_min(1.0)
            before = torch.floor((size - inner) / 2)
        scale = extent / inner
        centre = begin + (place - before + 0.5) * scale
        distance = (at[None, :] + 0.5 - centre[:, None]) / scale.clamp_min(1.0)
        weights = (1.0 - distance.abs()).clamp_min(0.0)
        weights = weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-12)
        inside = (place >= before) & (place < before + inner)
        return torch.where(inside[:, None], weights, 0.0).to(torch.float32)


class Exported(nn.Module):
    """What is written into a file: resizing, normalization, model, shift to the prior, softmax."""

    def __init__(self, model: nn.Module, form: ImageForm, normalize: Normalization, shift: Sequence[float]) -> None:
        """Keep the parts; shift is a number a class, or nothing."""
        super().__init__()
        self.brought = Brought(form)
        self.model = model
        self.normalize = normalize
        self.register_buffer("shift", torch.tensor(shift or (0.0,), dtype=torch.float32))

    def forward(self, image: Tensor) -> Tensor:
        """Give probabilities, float32 (B, K), of images of one size, uint8 (B, C, h, w)."""
        logits = self.model(self.normalize(self.brought(image)))
        return torch.softmax(logits.float() + self.shift, dim=1)


def _levels(values: Tensor) -> Tensor:
    return torch.floor(values + 0.5).clamp(0.0, 255.0)
