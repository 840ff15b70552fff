"""Rotations against torchvision, sizes against Pillow and by hand."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as torchvision

from cvrun.tta import PADDING_MODES
from cvrun.tta._resampled import resized, rotated


@pytest.mark.parametrize("shape", [(2, 3, 9, 9), (1, 1, 7, 12)], ids=str)
@pytest.mark.parametrize("angle", [5.0, -30.0, 45.0, 200.5])
def test_g3_rotations_are_those_of_torchvision(shape, angle):
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = torchvision.rotate(image, angle, InterpolationMode.BILINEAR)
    torch.testing.assert_close(rotated(image, angle, "zeros"), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("mode", "padding"), [("reflect", "symmetric"), ("edge", "edge"), ("zeros", "constant")])
def test_padding_shows_what_its_name_says(mode, padding):
    image = torch.randn(1, 2, 10, 10, generator=torch.Generator().manual_seed(0))
    wide = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (6, 6), (6, 6)), mode=padding))
    expected = rotated(wide, 30, "zeros")[..., 6:-6, 6:-6]
    torch.testing.assert_close(rotated(image, 30, PADDING_MODES[mode]), expected, rtol=0, atol=1e-5)


def test_a_quarter_turn_meets_the_pixels():
    image = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(rotated(image, 90, "border"), torch.rot90(image, 1, (-2, -1)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(7, 5), (20, 31), (10, 24)], ids=str)
def test_sizes_are_those_of_pillow(size):
    image = torch.rand(1, 1, 10, 12, generator=torch.Generator().manual_seed(0))
    expected = Image.fromarray(image[0, 0].numpy(), "F").resize(size[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_allclose(resized(image, size)[0, 0].numpy(), np.asarray(expected), atol=1e-5)


def test_the_own_size_is_the_image_itself():
    image = torch.randn(1, 2, 5, 6)
    assert resized(image, (5, 6)) is image


def test_reduced_precision_of_the_model_does_not_reach_the_rotation():
    image = torch.randn(1, 2, 33, 33, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(rotated(image, 12, "reflection"), rotated(image.clone(), 12, "reflection"))
        reduced = rotated(image, 12, "reflection")
    assert torch.equal(reduced, rotated(image, 12, "reflection"))
