"""Every operation on uint8 against torchvision.transforms.v2.functional, one image at a time."""

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from cvrun.augment import _enhance

PAIRS = [
    (_enhance.brightness, reference.adjust_brightness),
    (_enhance.color, reference.adjust_saturation),
    (_enhance.contrast, reference.adjust_contrast),
    (_enhance.sharpness, reference.adjust_sharpness),
]


@pytest.mark.parametrize(("operation", "expected"), PAIRS)
@pytest.mark.parametrize("size", [(19, 26), (32, 32), (2, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_factors(pictures, numbers, operation, expected, size, channels):
    images, factors = pictures(60, channels, *size), numbers(60, 0.0, 3.0)
    factors[:4] = torch.tensor([0.0, 1.0, 0.01, 1.99])
    before = images.clone()
    got = operation(images, factors)
    assert got.dtype == torch.uint8 and torch.equal(images, before)
    wanted = torch.stack([expected(image, float(factor)) for image, factor in zip(images, factors, strict=True)])
    if operation is _enhance.contrast:
        # torch's scaled addition of one number to an image rounds a few pixels twice, so that a whole level is missed.
        apart = (got.int() - wanted.int()).abs()
        assert apart.max() <= 1 and (apart > 0).float().mean() < 0.02
    else:
        assert torch.equal(got, wanted)


@pytest.mark.parametrize(("operation", "expected"), PAIRS)
def test_large_images(pictures, numbers, operation, expected):
    images, factors = pictures(2, 3, 224, 224), numbers(2, 0.0, 2.0)
    got = operation(images, factors)
    for i in range(2):
        assert torch.equal(got[i], expected(images[i], float(factors[i])))


@pytest.mark.parametrize(("operation", "_"), PAIRS)
def test_the_memory_format_stays(pictures, numbers, operation, _):
    assert operation(pictures(3), numbers(3, 0, 2)).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("channels", [1, 3])
def test_luma(pictures, channels):
    images = pictures(9, channels)
    for one, image in zip(_enhance.luma(images), images, strict=True):
        assert torch.equal(one, reference.rgb_to_grayscale(image, num_output_channels=1))
