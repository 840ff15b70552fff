"""Crops against those of torchvision."""

import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import functional as torchvision

from cvrun.errors import RuleError
from cvrun.tta._passes import predict_pixels
from cvrun.tta.crops import Config, build


def same_set(ours, theirs) -> bool:
    left = list(theirs)
    for one in ours:
        left = [other for other in left if not torch.equal(one, other)]
    return left == []


@pytest.mark.parametrize(("shape", "crop"), [((2, 3, 16, 16), [12, 12]), ((1, 1, 12, 20), [9, 15])], ids=str)
def test_five_and_ten_crops_are_those_of_torchvision(shape, crop):
    image = torch.randn(shape)
    five = [view.forward(image) for view in build(Config(0.75, False, False, "mean")).views]
    ten = [view.forward(image) for view in build(Config(0.75, True, False, "mean")).views]
    assert len(five) == 5 and len(ten) == 10
    assert torch.equal(five[0], torchvision.center_crop(image, crop))
    assert same_set(five, torchvision.five_crop(image, crop))
    if (shape[-1] - crop[1]) % 2 == 0:
        assert same_set(ten, torchvision.ten_crop(image, crop))
    assert all(torch.equal(a.flip(-1), b) for a, b in zip(ten[:5], ten[5:], strict=True))


@pytest.mark.parametrize(("fraction", "length"), [(0.5, 8), (0.51, 8), (0.7, 11), (0.875, 14)])
def test_a_crop_has_its_share_of_the_pixels_and_the_crops_show_all(fraction, length):
    image = torch.rand(1, 2, 15, 15)
    views = build(Config(fraction, False, False, "mean")).views
    assert all(view.forward(image).shape == (1, 2, length, length) for view in views)
    shown = sum(view.inverse(torch.ones_like(view.forward(image)), (15, 15)) for view in views)
    assert shown.min() >= 1


def test_resized_crops_have_the_size_of_the_image():
    image = torch.rand(1, 2, 16, 12)
    for view in build(Config(0.75, True, True, "mean")).views:
        assert view.forward(image).shape == image.shape
        assert view.kind == "interpolated"
    # A crop is enlarged as a whole: the middle stays the middle.
    ramp = torch.linspace(-1, 1, 16).expand(1, 1, 16, 16)
    seen = build(Config(0.75, False, True, "mean")).views[0].forward(ramp)
    torch.testing.assert_close(seen[..., 4:-4], 0.75 * ramp[..., 4:-4], rtol=0, atol=1e-5)


def test_a_dense_output_counts_the_crops_that_show_a_pixel():
    # The model gives every image the class of its top left pixel's quarter: known probabilities a crop.
    model, image = Corner(), torch.arange(64.0).reshape(1, 1, 8, 8) / 64
    found = predict_pixels(model, image, build(Config(0.5, False, False, "mean")))[0, 0]
    # 4x4 crops whose first pixels are 0, 4, 32, 36 and, at the centre, 18.
    p = {at: torch.sigmoid(torch.tensor(at / 64)).item() for at in (0, 4, 32, 36, 18)}
    assert found[0, 0].item() == pytest.approx(p[0])
    assert found[0, 7].item() == pytest.approx(p[4])
    assert found[7, 0].item() == pytest.approx(p[32])
    assert found[3, 3].item() == pytest.approx((p[0] + p[18]) / 2)
    assert found[4, 5].item() == pytest.approx((p[36] + p[18]) / 2)


class Corner(nn.Module):
    """The logit of class 0 is the first pixel, that of class 1 is 0."""

    def forward(self, image):
        first = image[:, :, :1, :1].expand(-1, -1, *image.shape[-2:])
        return torch.cat((first, torch.zeros_like(first)), dim=1)


@pytest.mark.parametrize("fraction", [0.0, 0.49, 1.0, 1.5, -1, float("nan")])
def test_fractions_out_of_range_are_refused(fraction):
    with pytest.raises(RuleError, match="0.5 <= fraction < 1"):
        Config(fraction, False, False, "mean")
