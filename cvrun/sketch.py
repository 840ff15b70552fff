"""A set of images in 64 numbers, from which it can be told how much two sets share.

The numbers are the smallest hashes of their content, a sample of the set that is the same wherever it is drawn
(bottom-k sketch: Broder, "On the resemblance and containment of documents", 1997). Labels do not count, so a class with
another name is no other image. A set of fewer images than 64 is known by all of them, and what two of those share is
exact. Of a set that is small beside another one, few images or none are in that one's sketch.
"""

from __future__ import annotations

from collections.abc import Iterable

SIZE = 64
"""[images] of a sketch."""

DIGITS = 16
"""[hex digits] that are kept of each hash: of a million images two have the same with a chance below 1e-7."""


def sketch(hashes: Iterable[str]) -> str:
    """Give the sketch of a set: the start of its SIZE smallest hashes, in order, with a space between two.

    Args:
        hashes: sha256 (hex) of each image; what is there twice counts once.
    """
    return " ".join(sorted({each[:DIGITS] for each in hashes})[:SIZE])


def shared(one: str, other: str) -> float:
    """Give how much two sets share, from their sketches, in [0, 1]: the images of both, of all that are in either.

    An estimate from at least SIZE images, whose standard deviation is at most 0.07; exact where both sets are smaller.
    It is 0 only where no image is in both sketches.
    """
    first, second = one.split(), other.split()
    # Up to here both sketches hold whatever their sets do.
    ends = [each[-1] for each in (first, second) if len(each) == SIZE]
    known = [{each for each in hashes if not ends or each <= min(ends)} for hashes in (first, second)]
    union = known[0] | known[1]
    return len(known[0] & known[1]) / len(union) if union else 0.0
