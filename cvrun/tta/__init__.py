"""Test-time augmentation: predict several views of an image and merge.

Contract of an option module: a flat frozen dataclass `Config` and `build(config: Config) -> TTA`.
To add one, write `cvrun/tta/NAME.py` and `configs/tta/NAME.yaml` (with `option: NAME`). Views are deterministic. A
view's inverse brings a dense output (B, K, H, W) back to the image's own frame; labels ignore it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MERGES = ("mean", "gmean", "max", "mean_logits", "vote")


@dataclass(frozen=True)
class View:
    """One way to look at images: forward on the input (B, C, H, W), inverse on a dense output."""

    name: str
    forward: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TTA:
    """The views, in order, and the name of the merge; no views: switched off."""

    views: tuple[View, ...]
    merge: str

    def __bool__(self) -> bool:
        """Whether there is anything to do beside the plain prediction."""
        return len(self.views) > 0


def merge_views(logits: Tensor, merge: str) -> Tensor:
    """Give the merged probabilities of several views.

    Softmax comes first, except for "mean_logits". "mean" averages probabilities; "gmean" takes the geometric mean in
    log space and "max" the largest, both renormalized; "vote" gives the share of views that choose each class
    most, the lowest index where classes tie.

    Args:
        logits: (V, B, K, ...) float32.
        merge: One of MERGES.

    Returns:
        float32 (B, K, ...), sums to 1 over K.

    Raises:
        ValueError: If merge is another word.
    """
    log_p = torch.log_softmax(logits.float(), dim=2)
    if merge == "mean":
        return log_p.exp().mean(dim=0)
    if merge == "gmean":
        return torch.softmax(log_p.mean(dim=0), dim=1)
    if merge == "max":
        largest = log_p.exp().amax(dim=0)
        return largest / largest.sum(dim=1, keepdim=True)
    if merge == "mean_logits":
        return torch.softmax(logits.float().mean(dim=0), dim=1)
    if merge != "vote":
        raise ValueError(f"merge={merge}: expected one of {', '.join(MERGES)}")
    votes = torch.zeros_like(log_p).scatter_(2, log_p.argmax(dim=2, keepdim=True), 1.0)
    return votes.mean(dim=0)
