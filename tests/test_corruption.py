"""Corruptions against scipy, Pillow, colorsys and closed forms."""

import colorsys
import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest

from cvrun.corruption import NAMES, SEVERITIES, blur, brightness, contrast, corrupt, jpeg, noise, parameter


def some(num=5, channels=3, size=32, seed=0):
    generator = np.random.default_rng(seed)
    # Neighbouring pixels of an image are alike.
    values = gaussian_filter(generator.normal(size=(num, channels, size, size)), (0, 0, 2, 2))
    return torch.from_numpy(np.clip(128 + 400 * values, 0, 255).astype(np.uint8))


def round_trip(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize(
    ("name", "of_imagenet_c", "of_cifar_10_c"),
    [
        ("blur", (1, 2, 3, 4, 6), (0.4, 0.6, 0.7, 0.8, 1)),
        ("noise", (0.08, 0.12, 0.18, 0.26, 0.38), (0.04, 0.06, 0.08, 0.09, 0.1)),
        ("jpeg", (25, 18, 15, 10, 7), (80, 65, 58, 50, 40)),
        ("brightness", (0.1, 0.2, 0.3, 0.4, 0.5), (0.05, 0.1, 0.15, 0.2, 0.3)),
        ("contrast", (0.4, 0.3, 0.2, 0.1, 0.05), (0.75, 0.5, 0.4, 0.3, 0.15)),
    ],
)
def test_m18_parameters_are_those_of_the_authors_at_their_sizes(name, of_imagenet_c, of_cifar_10_c):
    assert tuple(parameter(name, s, 224) for s in SEVERITIES) == of_imagenet_c
    assert tuple(parameter(name, s, 32) for s in SEVERITIES) == of_cifar_10_c
    # sqrt(32 * 224) = 84.7 is as far from the one as from the other.
    small, large = (parameter(name, 3, size) for size in (84, 85))
    grows = name == "blur"
    assert small == pytest.approx(of_cifar_10_c[2] * (84 / 32 if grows else 1))
    assert large == pytest.approx(of_imagenet_c[2] * (85 / 224 if grows else 1))


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.3])
def test_m18_blur_of_an_impulse_and_of_images_is_that_of_scipy(sigma):
    impulse = torch.zeros(1, 1, 21, 21, dtype=torch.uint8)
    impulse[0, 0, 10, 10] = 255
    for image in (impulse, some()):
        wanted = gaussian_filter(image.double().numpy(), (0, 0, sigma, sigma), mode="mirror")
        found = blur(image, sigma)
        assert found.dtype == torch.uint8 and found.shape == image.shape
        # Rounded: at most half a level from it, and what float32 adds.
        assert np.abs(found.numpy() - wanted).max() <= 0.501
        assert not torch.equal(found, image)


@pytest.mark.parametrize("deviation", [0.04, 0.1])
def test_m18_noise_is_normal_with_its_deviation_and_independent(deviation):
    grey = torch.full((64, 3, 32, 32), 128, dtype=torch.uint8)
    found = (noise(grey, torch.arange(64), deviation).double() - 128).numpy()
    num, wanted = found.size, 255 * deviation
    # The sd of n normal numbers has the standard error sd / sqrt(2 n); rounding adds a variance of 1 / 12.
    assert found.std() == pytest.approx((wanted**2 + 1 / 12) ** 0.5, rel=5 / (2 * num) ** 0.5)
    assert abs(found.mean()) < 5 * wanted / num**0.5
    spread = np.random.default_rng(0).uniform(-0.5, 0.5, found.shape)
    assert kstest((found + spread).ravel() / (wanted**2 + 1 / 6) ** 0.5, "norm").statistic < 1.95 / num**0.5
    one = found.reshape(64, 3, -1)
    pairs = [(one[0], one[1]), (one[:, 0], one[:, 1]), (one[:, 1], one[:, 2]), (one[..., 1:], one[..., :-1])]
    # Box and Muller's pairs: a radius has two numbers.
    pairs.append((found.reshape(64, 2, -1)[:, 0], found.reshape(64, 2, -1)[:, 1]))
    for first, second in pairs:
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / first.size**0.5


def test_m18_noise_of_an_image_depends_on_its_index_alone():
    image = some(1).expand(3, -1, -1, -1)
    found = noise(image, torch.tensor([7, 8, 7]), 0.08)
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])
    # A severity is a multiple of the same noise.
    grey = torch.full((1, 1, 33, 33), 128, dtype=torch.uint8)
    small, large = (noise(grey, torch.tensor([3]), share).double() - 128 for share in (0.04, 0.08))
    assert (large - 2 * small).abs().max() <= 1.5


@pytest.mark.parametrize("quality", [80, 7])
def test_m18_jpeg_is_pillows_round_trip(quality):
    colour, grey, four = some(), some(2, 1), some(2, 4)
    assert all(
        np.array_equal(found.permute(1, 2, 0).numpy(), round_trip(one.permute(1, 2, 0).numpy(), quality))
        for one, found in zip(colour, jpeg(colour, quality), strict=True)
    )
    found = jpeg(grey, quality)
    assert all(np.array_equal(found[i, 0].numpy(), round_trip(grey[i, 0].numpy(), quality)) for i in range(2))
    found = jpeg(four, quality)
    for i in range(2):
        for channel in range(4):
            assert np.array_equal(found[i, channel].numpy(), round_trip(four[i, channel].numpy(), quality))


def test_m18_contrast_by_hand():
    image = torch.tensor([[[[0, 100], [100, 200]], [[10, 10], [10, 10]]]], dtype=torch.uint8)
    # The mean of the first channel is 100, of the second 10.
    assert contrast(image, 0.4).tolist() == [[[[60, 100], [100, 140]], [[10, 10], [10, 10]]]]
    assert torch.equal(contrast(some(), 1.0), some())


def test_m18_brightness_by_hand_and_as_hsv_says():
    grey = torch.tensor([[[[0, 100, 250]]]], dtype=torch.uint8)
    assert brightness(grey, 0.2).tolist() == [[[[51, 151, 255]]]]
    image = some(1, size=8)
    image[0, :, 0, 0] = 0
    found = brightness(image, 0.3)
    for y in range(8):
        for x in range(8):
            hue, saturation, value = colorsys.rgb_to_hsv(*(image[0, :, y, x].double() / 255).tolist())
            wanted = colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + 0.3))
            assert np.abs(found[0, :, y, x].numpy() - 255 * np.array(wanted)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_m18_a_batch_changes_no_image_of_it(name, channels):
    image, index = some(9, channels), torch.arange(100, 109)
    before = image.clone()
    for severity in (1, 5):
        whole = corrupt(image, index, name, severity)
        assert whole.dtype == torch.uint8 and whole.shape == image.shape
        assert not any(torch.equal(one, was) for one, was in zip(whole, image, strict=True))
        for size in (1, 4):
            parts = [corrupt(a, b, name, severity) for a, b in zip(image.split(size), index.split(size), strict=True)]
            assert torch.equal(torch.cat(parts), whole)
        stored = image.contiguous(memory_format=torch.channels_last)
        assert torch.equal(corrupt(stored, index, name, severity), whole)
    assert torch.equal(image, before)


@pytest.mark.parametrize("name", NAMES)
def test_m18_a_higher_severity_changes_more(name):
    image, index = some(8), torch.arange(8)
    away = [(corrupt(image, index, name, s).double() - image.double()).abs().mean().item() for s in SEVERITIES]
    assert all(a < b for a, b in zip(away, away[1:], strict=False))
