"""How strong each operation of a policy is at each magnitude, as in torchvision's v2 auto-augmentations."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
FACTORS = ("brightness", "color", "contrast", "sharpness")
OPERATIONS = ("identity", *GEOMETRIC, *FACTORS, "posterize", "solarize", "autocontrast", "equalize", "invert")
"""RandAugment and TrivialAugment choose among all but the last."""
SIGNED = torch.tensor([name in GEOMETRIC + FACTORS for name in OPERATIONS])

NARROW, WIDE = "narrow", "wide"
"""The ranges of RandAugment and AutoAugment, and those of TrivialAugmentWide."""


@cache
def strengths(space: str, bins: int, height: int, width: int) -> Tensor:
    """Give the strength of each operation at each magnitude, float64 (operations, bins); 0 where there is none.

    Shears are tangents, shifts [pixels], turns [degrees], factors their distance from 1, posterize [bits] that stay
    and solarize a threshold as a fraction of the largest level.

    Args:
        space: NARROW or WIDE.
        bins: Number of magnitudes, at least 2.
        height: [pixels] Of the image, of which the narrow space shifts up to 150 / 331.
        width: [pixels] The same.
    """
    narrow = space == NARROW
    shear, turn, factor, lost_bits = (0.3, 30.0, 0.9, 4) if narrow else (0.99, 135.0, 0.99, 6)
    across, down = (150.0 / 331.0 * width, 150.0 / 331.0 * height) if narrow else (32.0, 32.0)
    largest = {"shear_x": shear, "shear_y": shear, "translate_x": across, "translate_y": down, "rotate": turn}
    largest |= dict.fromkeys(FACTORS, factor)
    table = torch.zeros(len(OPERATIONS), bins, dtype=torch.float64)
    # Float32 on the way, as in torchvision: whole pixels are cut from these values.
    for name, end in largest.items():
        table[OPERATIONS.index(name)] = torch.linspace(0.0, end, bins, dtype=torch.float32)
    table[OPERATIONS.index("posterize")] = (8 - torch.arange(bins) / ((bins - 1) / lost_bits)).round()
    table[OPERATIONS.index("solarize")] = torch.linspace(1.0, 0.0, bins, dtype=torch.float32)
    return table
