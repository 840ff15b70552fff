import pytest
import torch

from cvrun.normalize import Source, imagenet


def apply(values: list[int], channels: int) -> torch.Tensor:
    source = Source(channels, lambda: pytest.fail("no image is needed"), lambda: "", None)
    image = torch.tensor(values, dtype=torch.uint8)[:, None, None, None].expand(-1, channels, 1, 1)
    return imagenet.build(imagenet.Config(), source)(image)[:, :, 0, 0]


def test_e8_the_range_is_not_the_unit_interval():
    # Red -2.118 to 2.249, blue -1.804 to 2.640.
    low, high = apply([0, 255], 3)
    assert low[[0, 2]].tolist() == pytest.approx([-2.118, -1.804], abs=5e-4)
    assert high[[0, 2]].tolist() == pytest.approx([2.249, 2.640], abs=5e-4)


def test_grey_images_get_the_mean_of_the_channels():
    # Mean .449, standard deviation .226.
    assert apply([255], 1).item() == pytest.approx((1 - 0.449) / 0.226, abs=1e-5)
