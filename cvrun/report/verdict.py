"""Whether a model fits its training images too closely, or not closely enough: a rule of thumb, with its numbers."""

from __future__ import annotations

GAP = 0.05
"""Least distance of the scores that counts as over-fitting."""

LOW = 0.80
"""A training score below it, without such a distance, counts as under-fitting."""

RULE = (
    f"Rule of thumb: over-fitting where the training score is at least {GAP:g} above the validation score and above "
    f"its 95% interval, where that is known; else under-fitting where the training score is below {LOW:g}. Both scores "
    "are those of the same weights on images that are not augmented. A hard task, or wrong labels, "
    "look like under-fitting."
)


def verdict(train: float, val: float, high: float | None = None) -> str:
    """Give over-fitting, under-fitting or neither.

    Args:
        train: Score on the training images, in [0, 1], more is better.
        val: Score on the validation images.
        high: Upper end of the interval of val, where it is known.
    """
    if train - val >= GAP and train > (val if high is None else high):
        return "over-fitting"
    return "under-fitting" if train < LOW else "neither"
