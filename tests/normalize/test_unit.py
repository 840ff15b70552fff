import pytest
import torch

from cvrun.normalize import Source, unit


@pytest.mark.parametrize("channels", [1, 3])
def test_values_are_divided_by_255(channels):
    affine = unit.build(unit.Config(), Source(channels, lambda: torch.empty(0), lambda: "", None))
    image = torch.tensor([0, 51, 255], dtype=torch.uint8)[:, None, None, None].expand(-1, channels, 1, 1)
    assert affine(image)[:, channels - 1].flatten().tolist() == pytest.approx([0, 0.2, 1], abs=1e-7)
