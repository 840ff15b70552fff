"""Mixup and cutmix: each sample is mixed with the one that stands opposite in the batch, and so is its target.

Sample i meets sample B - 1 - i, as in timm; the middle one of an odd batch meets itself. Shares are drawn for each
sample from its key, so the two of a pair are mixed by different shares.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from cvrun.augment import _boxes
from cvrun.augment._parts import pieces
from cvrun.errors import ConfigError
from cvrun.pipeline import Batch
from cvrun.rng import uniform

_TRIES = 8


class Mix:
    """The mixing of a batch."""

    def __init__(self, mixup_alpha: float, cutmix_alpha: float, probability: float, cutmix_share: float, classes: int):
        """Keep the parameters.

        Args:
            mixup_alpha: The share of the sample itself is Beta(alpha, alpha); 0: no mixup.
            cutmix_alpha: The same for cutmix.
            probability: That a sample is mixed at all.
            cutmix_share: Probability of cutmix instead of mixup where both are on.
            classes: K.
        """
        self.mixup_alpha, self.cutmix_alpha = mixup_alpha, cutmix_alpha
        self.probability, self.classes = probability, classes
        both = mixup_alpha > 0 and cutmix_alpha > 0
        self.cutmix_share = cutmix_share if both else float(cutmix_alpha > 0)

    def __call__(self, batch: Batch, keys: Tensor) -> Batch:
        """Give the mixed batch: float32 image with mixup, else of its dtype; target float32 (B, K).

        Raises:
            ConfigError: If the targets are masks.
        """
        if batch.target.ndim > 2:
            key, value = ("mixup_alpha", self.mixup_alpha) if self.mixup_alpha else ("cutmix_alpha", self.cutmix_alpha)
            rule = "0, since images with masks as targets cannot be mixed"
            raise ConfigError(f"augment.{key}={value}: expected {rule}")
        drawn = uniform(keys, 2, "mix")
        mixed, cut = drawn[:, 0] < self.probability, drawn[:, 1] < self.cutmix_share
        image, share = batch.image, torch.zeros(len(keys), dtype=torch.float64, device=keys.device)
        if self.mixup_alpha > 0:
            share = torch.where(mixed & ~cut, 1 - beta(keys, self.mixup_alpha, "mixup"), 0.0)
            image = blend(image, share)
        if self.cutmix_alpha > 0:
            lost = torch.where(mixed & cut, 1 - beta(keys, self.cutmix_alpha, "cutmix"), 0.0)
            boxes = cut_boxes(lost, uniform(keys, 2, "cutmix box"), *image.shape[2:])
            source = batch.image.flip(0).to(image.dtype)
            image = _boxes.paste(image, boxes, source)
            # What the clipped box takes is what counts.
            share = share + (boxes[:, 2] * boxes[:, 3]).double() / (image.shape[2] * image.shape[3])
        return replace(batch, image=image, target=soft_target(batch.target, share, self.classes))


def blend(image: Tensor, share: Tensor) -> Tensor:
    """Give image * (1 - share) + opposite * share, float32; share (B,) in [0, 1]."""
    result = torch.empty_like(image, dtype=torch.float32)
    column = _column(share, image.device)[:, :, None, None]
    for piece in pieces(torch.arange(len(image)), image):
        start, end = int(piece[0]), int(piece[-1]) + 1
        own = image[start:end].to(torch.float32)
        opposite = image[len(image) - end : len(image) - start].flip(0).to(torch.float32)
        torch.addcmul(own, opposite.sub_(own), column[start:end], out=result[start:end])
    return result


def soft_target(target: Tensor, share: Tensor, classes: int) -> Tensor:
    """Give the class probabilities, float32 (B, K), when share (B,) of each sample is its opposite.

    Args:
        target: Class indices, int64 (B,), or which labels an image has, uint8 (B, K).
        share: In [0, 1].
        classes: K.
    """
    own = (functional.one_hot(target, classes) if target.ndim == 1 else target).to(torch.float32)
    other, part = own.flip(0), _column(share, target.device)
    return own * (1 - part) + other * part


def cut_boxes(lost: Tensor, where: Tensor, height: int, width: int) -> Tensor:
    """Give boxes, int64 (B, 4), that take about lost (B,) of the image, clipped to it (Yun et al. 2019, "CutMix").

    Sides are sqrt(lost) of the image's, halved and cut to whole pixels on each side of a centre that is uniform over
    the pixels, as in the authors' code; no loss gives an empty box.

    Args:
        lost: Fraction of the area, (B,).
        where: Uniform in [0, 1), (B, 2).
        height: [pixels] Of the image.
        width: [pixels] Of the image.
    """
    half, center = 0.5 * torch.sqrt(lost.double()), where.double()
    rows, columns = (half * height).long(), (half * width).long()
    top, high = _boxes.clipped((center[:, 0] * height).long(), rows, rows, height)
    left, wide = _boxes.clipped((center[:, 1] * width).long(), columns, columns, width)
    return torch.stack((top, left, high, wide), dim=1)


def beta(keys: Tensor, alpha: float, stream: str) -> Tensor:
    """Give a number a key from Beta(alpha, alpha), float64 (B,).

    X / (X + Y) of two gamma variables, each by Marsaglia and Tsang 2000 ("A simple method for generating gamma
    variables") at alpha + 1 and brought down to alpha by U^(1 / alpha), in logarithms since a small alpha underflows.
    Eight tries all fail once in 10^10.
    """
    drawn = uniform(keys, 2 * (3 * _TRIES + 1), stream).double().view(-1, 2, 3 * _TRIES + 1)
    # In (0, 1], of which there is a logarithm.
    positive = 1 - drawn
    radius, angle, luck = positive[..., :_TRIES], drawn[..., _TRIES : 2 * _TRIES], positive[..., 2 * _TRIES : -1]
    normal = torch.sqrt(-2 * torch.log(radius)) * torch.cos(2 * math.pi * angle)
    d = alpha + 2 / 3
    root = 1 + normal / math.sqrt(9 * d)
    log_v = 3 * torch.log(root.clamp(min=1e-300))
    fits = (root > 0) & (torch.log(luck) < 0.5 * normal**2 + d * (1 - root**3 + log_v))
    which = fits.to(torch.uint8).argmax(dim=2, keepdim=True)
    log_gamma = log_v.gather(2, which)[..., 0] + torch.log(positive[..., -1]) / alpha
    return torch.sigmoid(log_gamma[:, 0] - log_gamma[:, 1])


def _column(share: Tensor, device: torch.device) -> Tensor:
    return share.to(torch.float32).to(device, non_blocking=True)[:, None]
