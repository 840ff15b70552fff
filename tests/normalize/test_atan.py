import math

import pytest
import torch

from cvrun.errors import RuleError
from cvrun.normalize import Source, atan


def curve(scale):
    source = Source(1, lambda: pytest.fail("no image is needed"), lambda: pytest.fail("no hash is needed"), None)
    return atan.build(atan.Config(scale), source)


def test_b4_values_on_zero_to_six():
    # Levels 0, 42.5, 127.5 and 255 are 0, 1, 3 and 6 at a scale of 6.
    image = torch.tensor([0, 42.5, 127.5, 255]).view(1, 1, 1, 4)
    assert curve(6.0)(image).flatten().tolist() == pytest.approx([0, math.pi / 4, 1.249046, 1.405648], abs=5e-6)


def test_b4_the_round_trip():
    normalize, levels = curve(3.0), torch.arange(256, dtype=torch.uint8).view(1, 1, 1, 256)
    assert (normalize.inverse(normalize(levels)) - levels).abs().max() / 255 < 1e-6


def test_a_scale_out_of_range_is_an_error():
    with pytest.raises(RuleError, match="scale=0.0: expected 0 < scale <= 1000"):
        curve(0.0)
    with pytest.raises(RuleError):
        curve(math.nan)
