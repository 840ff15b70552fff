import numpy as np
import pytest
import torch

from cvrun.errors import RuleError
from cvrun.normalize._by_image import ByImage, require_eps

AXES = {"channel": (2, 3), "global": (1, 2, 3)}


def random_images(num=7, channels=3, height=9, width=11):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (num, channels, height, width), generator=generator).byte()


@pytest.mark.parametrize("scope", AXES)
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_statistics_are_those_of_numpy(scope, channels):
    image = random_images(channels=channels)
    mean, std = ByImage(scope, 0.001).statistics(image)
    expected = image.numpy().astype(np.float64)
    shape = (7, channels, 1, 1)
    assert mean.shape == std.shape == shape
    np.testing.assert_allclose(mean, np.broadcast_to(expected.mean(AXES[scope], keepdims=True), shape), rtol=1e-6)
    np.testing.assert_allclose(std, np.broadcast_to(expected.std(AXES[scope], keepdims=True), shape), rtol=1e-6)


@pytest.mark.parametrize("scope", AXES)
def test_each_image_has_mean_zero_and_deviation_one(scope):
    found = ByImage(scope, 0.001)(random_images()).double()
    assert found.mean(AXES[scope]).abs().max() < 1e-5
    assert (found.std(AXES[scope], correction=0) - 1).abs().max() < 1e-4


@pytest.mark.parametrize("scope", AXES)
@pytest.mark.parametrize("level", [0.0, 77.7, 254.9, 255.0])
def test_a_constant_image_gives_zeros(scope, level):
    image = torch.full((2, 3, 301, 307), level)
    assert (ByImage(scope, 1e-6)(image) == 0).all()
    assert (ByImage(scope, 1e-6)(image.to(memory_format=torch.channels_last)) == 0).all()


def test_channels_are_seen_apart_or_together():
    image = torch.zeros(1, 2, 4, 4)
    image[:, 1] = 255
    assert (ByImage("channel", 0.001)(image) == 0).all()
    # Half of the values 0 and half 255: one deviation below and above the mean.
    together = ByImage("global", 0.001)(image)
    assert together[0, 0].unique().item() == pytest.approx(-1) and together[0, 1].unique().item() == pytest.approx(1)


def test_noise_of_a_blank_image_is_not_blown_up():
    image = torch.full((1, 1, 10, 10), 100.0)
    image[0, 0, 0, 0] = 101
    # One of 100 pixels is a level above: deviation sqrt(99) / 100 levels, below a hundredth of the range.
    deviation = 99**0.5 / 100
    assert ByImage("channel", 0.01)(image).max().item() == pytest.approx(0.99 / 2.55, rel=1e-5)
    assert ByImage("channel", 1e-6)(image).max().item() == pytest.approx(0.99 / deviation, rel=1e-5)


@pytest.mark.parametrize("scope", AXES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_an_image_alone_gives_the_bits_that_it_gives_in_a_batch(scope, dtype):
    image, normalize = random_images(33, height=40, width=40).to(dtype), ByImage(scope, 0.001)
    for given in (image, image.to(memory_format=torch.channels_last)):
        whole = normalize(given)
        assert all(torch.equal(normalize(given[i : i + 1]), whole[i : i + 1]) for i in range(33))


def test_brightness_and_contrast_of_an_image_make_no_difference():
    image = random_images().float()
    for scope in AXES:
        normalize = ByImage(scope, 1e-6)
        torch.testing.assert_close(normalize(image * 0.5 + 60), normalize(image), atol=1e-5, rtol=1e-5)


def test_an_empty_batch_stays_empty():
    assert ByImage("channel", 0.001)(random_images()[:0]).shape == (0, 3, 9, 11)


def test_without_statistics_there_is_no_inverse():
    with pytest.raises(ValueError, match="own statistics"):
        ByImage("global", 0.001).inverse(torch.zeros(1, 1, 1, 1))


@pytest.mark.parametrize("eps", [0.0, -1.0, 1.5, float("nan")])
def test_an_eps_out_of_range_is_an_error(eps):
    with pytest.raises(RuleError, match="0 < eps <= 1"):
        require_eps(eps)
