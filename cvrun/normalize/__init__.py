"""Normalization: from pixel values in [0, 255] to what the model sees.

Contract of an option module: a flat frozen dataclass `Config` and `build(config: Config, source: Source) ->
Normalization`. To add one, write `cvrun/normalize/NAME.py` and `configs/normalize/NAME.yaml` (with `option: NAME`); a
new kind of computation is a class beside `_affine.Affine` and an entry in KINDS.
What is fitted is fitted on the training split alone; its numbers are stored in the checkpoint, and `eval` and
`predict` use those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from cvrun.errors import CheckpointError
from cvrun.normalize._affine import Affine, Range
from cvrun.normalize._by_image import ByImage, Statistics
from cvrun.normalize._curve import Curve
from cvrun.normalize._saved import shown


class Normalization(Protocol):
    """A pure function of pixels. Augmentation comes before it, test-time views after it."""

    def __call__(self, image: Tensor) -> Tensor:
        """Give image (B, C, H, W), uint8 or float32 in [0, 255], normalized as float32; image stays as it is."""

    def statistics(self, image: Tensor) -> Statistics | None:
        """Give what inverse needs to know of image; None unless each image is normalized by its own statistics."""

    def inverse(self, normalized: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Give the image, float32 in [0, 255], exact up to rounding; a clipped value becomes the bound."""

    def state(self) -> dict[str, Any]:
        """Give kind and numbers as plain values, for a checkpoint."""

    def described(self) -> str:
        """Give formula or numbers in a few words, for a person."""


KINDS: Mapping[str, Callable[[Mapping[str, Any], int], Normalization]] = {
    "affine": Affine.from_state,
    "range": Range.from_state,
    "curve": Curve.from_state,
    "per_image": ByImage.from_state,
}
"""What a state says it is -> what reads it; both are never to change."""


@dataclass(frozen=True)
class Source:
    """What a normalization may be derived from.

    Attributes:
        channels: >= 1.
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


def from_state(state: object, channels: int, where: str) -> Normalization:
    """Give what Normalization.state() described.

    Args:
        state: What a checkpoint holds; without a kind it is affine, as all were at first.
        channels: Of the images.
        where: The checkpoint, for the message.

    Raises:
        CheckpointError: If it describes none for images of that many channels.
    """
    try:
        if not isinstance(state, Mapping):
            raise ValueError(f"it is {shown(state)}, expected kind and numbers")
        kind = state.get("kind", "affine")
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"its kind is {shown(kind)}, expected one of {', '.join(KINDS)}")
        return KINDS[kind](state, channels)
    except ValueError as error:
        raise CheckpointError(f"{where}: its normalization cannot be used: {error}") from error
