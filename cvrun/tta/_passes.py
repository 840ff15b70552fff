"""Views through a model: those of one shape together, in batches of a bounded size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cvrun.tta import TTA, View, merge_views

PASS = 1 << 20
"""[numbers] of views that go through a model at once; more, where the images themselves are more: these fit as well.

Below it batches gain up to three times the speed, above it nothing, or lose to the cache (benchmarks/views.py)."""


def predict_labels(model: Callable[[Tensor], Tensor], image: Tensor, tta: TTA) -> Tensor:
    """Give the merged probabilities (B, K) float32.

    Args:
        model: Gives logits (B, K), of each image by itself.
        image: Normalized images (B, C, H, W) float32.
        tta: At least one view.
    """
    return merge_views(torch.stack(_through(model, image, tta.views)), tta.merge)


def predict_pixels(model: Callable[[Tensor], Tensor], image: Tensor, tta: TTA) -> Tensor:
    """Give the merged probabilities of a dense output, (B, K, H, W) float32, in the frame of the images.

    At each pixel those views are merged that show at least half of it.

    Args:
        model: Gives logits (B, K, h, w) of images (B, C, h, w), of each image by itself.
        image: Normalized images (B, C, H, W) float32.
        tta: At least one view.
    """
    size = image.shape[-2], image.shape[-1]
    found, seen = [], []
    for view, logits in zip(tta.views, _through(model, image, tta.views), strict=True):
        # Where a view ends it is known between pixels only in part: what comes back there is scaled up again.
        ones = torch.ones_like(logits[:1, :1])
        share = ones.new_ones(1, 1, *size) if view.kind == "exact" else view.inverse(ones, size)
        shows = share >= 0.5
        found.append(view.inverse(logits, size) / share.where(shows, 1.0) * shows)
        seen.append(shows)
    return merge_views(torch.stack(found), tta.merge, torch.stack(seen))


def _through(model: Callable[[Tensor], Tensor], image: Tensor, views: Sequence[View]) -> list[Tensor]:
    """Give the logits of each view, float32 (B, K, ...)."""
    most = max(PASS, image.numel())
    found: dict[int, Tensor] = {}
    waiting: dict[torch.Size, list[tuple[int, Tensor]]] = {}

    def send(together: list[tuple[int, Tensor]]) -> None:
        batch = _joined([seen for _, seen in together], image)
        parts = torch.split(batch, max(most // max(batch[0].numel(), 1), 1))
        logits = torch.split(torch.cat([model(part).float() for part in parts]), len(image))
        found.update(zip([at for at, _ in together], logits, strict=True))

    for at, view in enumerate(views):
        seen = view.forward(image)
        together = waiting.setdefault(seen.shape, [])
        if together and (len(together) + 1) * seen.numel() > most:
            send(together)
            together.clear()
        together.append((at, seen))
    for together in waiting.values():
        send(together)
    return [found[at] for at in range(len(views))]


def _joined(views: list[Tensor], image: Tensor) -> Tensor:
    """Give views as one batch, laid out in memory as image is."""
    kept = image.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if kept else torch.contiguous_format
    if len(views) == 1:
        return views[0].contiguous(memory_format=layout)
    first = views[0]
    size = len(views) * len(first), *first.shape[1:]
    batch = torch.empty(size, dtype=first.dtype, device=first.device, memory_format=layout)
    # Not torch.cat, which joins views of several layouts in one and copies them to the wanted one again.
    for part, view in zip(torch.split(batch, len(first)), views, strict=True):
        part.copy_(view)
    return batch
