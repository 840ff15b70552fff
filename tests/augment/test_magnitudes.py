"""Strengths against the tables of torchvision's classes."""

import pytest
import torch
from torchvision.transforms.v2 import AutoAugment, RandAugment, TrivialAugmentWide

from cvrun.augment import _magnitudes

NAMES = {
    "identity": "Identity",
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "translate_x": "TranslateX",
    "translate_y": "TranslateY",
    "rotate": "Rotate",
    "brightness": "Brightness",
    "color": "Color",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
    "posterize": "Posterize",
    "solarize": "Solarize",
    "autocontrast": "AutoContrast",
    "equalize": "Equalize",
    "invert": "Invert",
}


def test_every_operation_of_torchvision_is_there():
    assert tuple(NAMES) == _magnitudes.OPERATIONS
    assert set(AutoAugment._AUGMENTATION_SPACE) == set(NAMES.values()) - {"Identity"}
    assert set(RandAugment._AUGMENTATION_SPACE) == set(NAMES.values()) - {"Invert"}
    assert set(TrivialAugmentWide._AUGMENTATION_SPACE) == set(NAMES.values()) - {"Invert"}


@pytest.mark.parametrize(
    ("space", "bins", "reference"),
    [
        (_magnitudes.NARROW, 31, RandAugment),
        (_magnitudes.NARROW, 10, AutoAugment),
        (_magnitudes.NARROW, 11, RandAugment),
        (_magnitudes.WIDE, 31, TrivialAugmentWide),
        (_magnitudes.WIDE, 7, TrivialAugmentWide),
    ],
)
def test_strengths(space, bins, reference):
    table = _magnitudes.strengths(space, bins, 224, 331)
    for number, name in enumerate(_magnitudes.OPERATIONS):
        if NAMES[name] not in reference._AUGMENTATION_SPACE:
            continue
        function, signed = reference._AUGMENTATION_SPACE[NAMES[name]]
        values = function(bins, 224, 331)
        wanted = torch.zeros(bins, dtype=torch.float64) if values is None else values.double()
        assert torch.equal(table[number], wanted)
        assert bool(_magnitudes.SIGNED[number]) == signed
