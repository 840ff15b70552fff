"""Every operation against torchvision.transforms.v2.functional, one image at a time, to the last bit."""

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from cvrun.augment import _levels


@pytest.fixture(params=[(1, 19, 26), (3, 19, 26), (3, 40, 40), (3, 2, 3)], ids=str)
def images(request, pictures):
    drawn = pictures(36, *request.param)
    # Two levels, one level, and a ramp.
    drawn[3], drawn[5] = (drawn[3] > 128) * 200, 31
    drawn[7] = torch.arange(drawn[7].numel()).view_as(drawn[7]) % 256
    return drawn


def test_invert(images):
    assert torch.equal(_levels.invert(images), torch.stack([reference.invert(image) for image in images]))


def test_posterize(images):
    bits = torch.arange(36) % 9
    got = _levels.posterize(images, bits)
    for i in range(36):
        assert torch.equal(got[i], reference.posterize(images[i], int(bits[i])))


def test_solarize(images, numbers):
    threshold = numbers(36, 0, 255)
    threshold[:4] = torch.tensor([0.0, 255.0, 128.0, 127.5])
    got = _levels.solarize(images, threshold)
    for i in range(36):
        assert torch.equal(got[i], reference.solarize(images[i], float(threshold[i])))


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
def test_levels_are_spread(images, name):
    got = getattr(_levels, name)(images)
    assert got.dtype == torch.uint8
    assert torch.equal(got, torch.stack([getattr(reference, name)(image) for image in images]))


def test_equalize_of_a_large_image(pictures):
    images = pictures(2, 3, 224, 224)
    assert torch.equal(_levels.equalize(images), torch.stack([reference.equalize(image) for image in images]))
