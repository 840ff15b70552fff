"""Quarter turns and mirror images, which move pixels and change none."""

from __future__ import annotations

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
    # The transposed image, or the image itself, with the order of rows, columns or both reversed: one copy at most.
    seen = image.transpose(-2, -1) if turns % 2 else image
    rows, columns = turns % 4 in (1, 2), (turns % 4 in (2, 3)) != flipped
    reversed_axes = [-2] * rows + [-1] * columns
    return seen.flip(reversed_axes) if reversed_axes else seen


def unturned(dense: Tensor, turns: int, flipped: bool) -> Tensor:
    """Give what turned made dense of."""
    # A mirror image is its own inverse, whatever the axis.
    return turned(dense, turns if flipped else -turns, flipped)
