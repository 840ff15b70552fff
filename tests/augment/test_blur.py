"""Gaussian blur against torchvision.transforms.v2.functional, one image at a time."""

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from cvrun.augment import _blur


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("kernel", [1, 3, 9, 23])
@pytest.mark.parametrize("channels", [1, 3])
def test_blur(pictures, numbers, dtype, kernel, channels):
    images, sigma = pictures(30, channels, 24, 30).to(dtype), numbers(30, 0.1, 4.0)
    got = _blur.blur(images, sigma, kernel)
    assert got.dtype == dtype
    wanted = torch.stack(
        [reference.gaussian_blur(image, [kernel] * 2, [float(s)] * 2) for image, s in zip(images, sigma, strict=True)]
    )
    if dtype == torch.float32:
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-3)
    else:
        # Two passes round otherwise than one pass of the outer product: seldom across a half.
        apart = (got.int() - wanted.int()).abs()
        assert apart.max() <= 1 and (apart > 0).float().mean() < 1e-3


def test_a_kernel_wider_than_the_image_mirrors_again():
    image = torch.tensor([0.0, 90.0]).view(1, 1, 1, 2)
    got = _blur.blur(image, torch.tensor([50.0]), 5)
    # Nearly equal weights over 0 90 | 0 90 | 0, and over 90 0 | 90 0 | 90: two fifths and three fifths of 90.
    torch.testing.assert_close(got.flatten(), torch.tensor([36.0, 54.0]), rtol=0, atol=0.1)


def test_some_samples_are_blurred_by_their_own_width(pictures, keys_of):
    images = pictures(1, 1, 12, 12).expand(2000, -1, -1, -1)
    got = _blur.random_blur(images, keys_of(2000), 0.5, 5, (0.3, 2.0))
    changed = (got != images).flatten(1).any(dim=1)
    assert got.dtype == torch.uint8
    assert changed.float().mean().item() == pytest.approx(0.5, abs=5 * 0.5 / 2000**0.5)
    spread = got[changed].float().flatten(1).std(dim=1)
    softest = reference.gaussian_blur(images[0], [5, 5], [2.0, 2.0]).float().std()
    sharpest = reference.gaussian_blur(images[0], [5, 5], [0.3, 0.3]).float().std()
    assert softest * 0.99 < spread.min() < softest * 1.03 and sharpest * 0.97 < spread.max() < sharpest * 1.01
