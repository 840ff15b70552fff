"""RandAugment, TrivialAugment and AutoAugment: which operations a sample meets, and how strong.

A policy gives rounds. In each round a sample meets one operation; the samples that meet the same one go through it
together, the geometric ones all at once, each with its own matrix. A round's numbers come from the sample's key, so
the result does not depend on who goes along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cvrun.augment._magnitudes import NARROW, OPERATIONS, SIGNED, WIDE
from cvrun.augment._tables import TABLES
from cvrun.rng import uniform

AUTOAUGMENT_BINS = 10
IDENTITY = OPERATIONS.index("identity")


@dataclass(frozen=True)
class Round:
    """One operation for each sample.

    Attributes:
        operation: Index into OPERATIONS, int64 (B,).
        magnitude: Index of the strength, int64 (B,).
        sign: -1 or 1, float64 (B,); 1 where the operation has no sign.
    """

    operation: Tensor
    magnitude: Tensor
    sign: Tensor


@dataclass(frozen=True)
class Policy:
    """A way to draw.

    Attributes:
        draw: keys int64 (B,) -> rounds, in their order.
        space: Of the strengths: NARROW or WIDE.
        bins: Number of magnitudes.
    """

    draw: Callable[[Tensor], list[Round]]
    space: str
    bins: int


def randaugment(num_ops: int, magnitude: int, bins: int) -> Policy:
    """Give RandAugment (Cubuk et al. 2020): num_ops operations one after the other, all at the same magnitude."""

    def draw(keys: Tensor) -> list[Round]:
        drawn = uniform(keys, 2 * num_ops, "randaugment").view(-1, num_ops, 2)
        return [
            _round(_pick(u[:, 0], len(OPERATIONS) - 1), torch.full_like(keys, magnitude), u[:, 1])
            for u in drawn.unbind(1)
        ]

    return Policy(draw, NARROW, bins)


def trivialaugment(bins: int) -> Policy:
    """Give TrivialAugmentWide (Mueller and Hutter 2021): one operation at a uniform magnitude."""

    def draw(keys: Tensor) -> list[Round]:
        drawn = uniform(keys, 3, "trivialaugment")
        return [_round(_pick(drawn[:, 0], len(OPERATIONS) - 1), _pick(drawn[:, 1], bins), drawn[:, 2])]

    return Policy(draw, WIDE, bins)


def autoaugment(table: str) -> Policy:
    """Give AutoAugment (Cubuk et al. 2019): one of 25 pairs of operations, each met with its probability."""
    operations, probabilities, magnitudes = TABLES[table]

    def draw(keys: Tensor) -> list[Round]:
        drawn = uniform(keys, 5, "autoaugment")
        row = _pick(drawn[:, 0], len(operations))
        rounds = []
        for place in (0, 1):
            met = drawn[:, 1 + place].double() < probabilities.to(keys.device)[row, place]
            operation = torch.where(met, operations.to(keys.device)[row, place], IDENTITY)
            rounds.append(_round(operation, magnitudes.to(keys.device)[row, place], drawn[:, 3 + place]))
        return rounds

    return Policy(draw, NARROW, AUTOAUGMENT_BINS)


def _pick(drawn: Tensor, num: int) -> Tensor:
    """Give a whole number below num for each number in [0, 1); in float64, because float32 rounds some up to num."""
    return (drawn.double() * num).long()


def _round(operation: Tensor, magnitude: Tensor, drawn: Tensor) -> Round:
    signed = SIGNED.to(operation.device)[operation]
    sign = torch.where(signed & (drawn < 0.5), -1.0, 1.0).double()
    return Round(operation, magnitude, sign)
