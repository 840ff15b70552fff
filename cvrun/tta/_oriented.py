"""Quarter turns and mirror images, which move pixels and change none."""

from __future__ import annotations

import torch
from torch import Tensor

from cvrun.tta import View


def oriented(turns: int, flipped: bool) -> View:
    """Give the view that is turned counterclockwise by quarter turns, then mirrored left to right or not."""
    names = [f"rot{90 * turns}"] if turns else []
    names += ["hflip"] if flipped else []

    def inverse(dense: Tensor, size: tuple[int, int]) -> Tensor:
        return unturned(dense, turns, flipped)

    return View("_".join(names) or "plain", lambda image: turned(image, turns, flipped), inverse)


def turned(image: Tensor, turns: int, flipped: bool) -> Tensor:
    """Give image (..., H, W) turned counterclockwise by quarter turns, then mirrored left to right or not."""
    image = torch.rot90(image, turns, (-2, -1)) if turns else image
    return image.flip(-1) if flipped else image


def unturned(dense: Tensor, turns: int, flipped: bool) -> Tensor:
    """Give what turned made dense of."""
    dense = dense.flip(-1) if flipped else dense
    return torch.rot90(dense, -turns, (-2, -1)) if turns else dense
