"""Test-time augmentation: predict several views of an image and merge.

Contract of an option module: a flat frozen dataclass `Config` and `build(config: Config) -> TTA`.
To add one, write `cvrun/tta/NAME.py` and `configs/tta/NAME.yaml` (with `option: NAME`). Views are deterministic, no
two are the same, and each treats an image alike whatever stands beside it in the batch. The first view is the image as
it is; where all views are crops it is the one in the centre. A task predicts through `cvrun.tta._passes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MERGES = ("mean", "gmean", "max", "mean_logits", "vote")
KINDS = ("exact", "part", "interpolated")
PADDING_MODES = {"zeros": "zeros", "reflect": "reflection", "edge": "border"}
"""What stands outside an image that is turned -> torch's word for it."""


@dataclass(frozen=True)
class View:
    """One way to look at images; labels need no inverse.

    Attributes:
        name: Such as "hflip".
        forward: Gives what the model sees, (B, C, h, w), of images (B, C, H, W).
        inverse: Gives a dense output (B, K, h, w) in the frame of the images, whose height and width it is told,
            (B, K, H, W). It is linear and brings in zeros from outside, so that of ones it gives the share of each
            pixel that the view shows.
        kind: What inverse makes of forward: "exact", each pixel comes back; "part", so do those that the view shows;
            "interpolated", values between pixels come back, perhaps not everywhere.
    """

    name: str
    forward: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor, tuple[int, int]], Tensor]
    kind: str = "exact"


@dataclass(frozen=True)
class TTA:
    """The views, in order, and the name of the merge; no views: switched off."""

    views: tuple[View, ...]
    merge: str

    def __bool__(self) -> bool:
        """Whether there is anything to do beside the plain prediction."""
        return len(self.views) > 0


def merge_views(logits: Tensor, merge: str, seen: Tensor | None = None) -> Tensor:
    """Give the merged probabilities of several views.

    Softmax comes first, except for "mean_logits". "mean" averages probabilities; "gmean" takes the geometric mean in
    log space and "max" the largest, both renormalized; "vote" gives the share of views that choose each class
    most, the lowest index where classes tie.

    Args:
        logits: (V, B, K, ...) float32, finite also where a view does not count.
        merge: One of MERGES.
        seen: Where a view counts, bool (V, 1, 1, ...), of each place at least one view; None: everywhere.

    Returns:
        float32 (B, K, ...), sums to 1 over K.

    Raises:
        ValueError: If merge is another word.
    """
    logits = logits.float()
    if merge == "mean":
        return _mean(torch.softmax(logits, dim=2), seen)
    if merge == "gmean":
        return torch.softmax(_mean(torch.log_softmax(logits, dim=2), seen), dim=1)
    if merge == "max":
        each = torch.softmax(logits, dim=2)
        largest = (each if seen is None else each * seen).amax(dim=0)
        return largest / largest.sum(dim=1, keepdim=True)
    if merge == "mean_logits":
        return torch.softmax(_mean(logits, seen), dim=1)
    if merge != "vote":
        raise ValueError(f"merge={merge}: expected one of {', '.join(MERGES)}")
    return _mean(torch.zeros_like(logits).scatter_(2, logits.argmax(dim=2, keepdim=True), 1.0), seen)


def _mean(values: Tensor, seen: Tensor | None) -> Tensor:
    """Give the mean over the views that count."""
    return values.mean(dim=0) if seen is None else (values * seen).sum(dim=0) / seen.sum(dim=0)
