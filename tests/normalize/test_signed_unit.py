import pytest
import torch

from cvrun.normalize import Source, signed_unit


@pytest.mark.parametrize("channels", [1, 3])
def test_b5_the_range_is_minus_one_to_one(channels):
    affine = signed_unit.build(signed_unit.Config(), Source(channels, lambda: torch.empty(0), lambda: "", None))
    image = torch.tensor([0, 128, 255], dtype=torch.uint8)[:, None, None, None].expand(-1, channels, 1, 1)
    assert affine(image)[:, channels - 1].flatten().tolist() == pytest.approx([-1, 0.00392, 1], abs=2e-6)
