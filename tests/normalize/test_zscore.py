import math

import numpy as np
import pytest
import torch

from cvrun.errors import RuleError
from cvrun.normalize import Normalization, Source, zscore
from cvrun.normalize._by_image import ByImage


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path))


def random_images(num=50, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num, 7, 6, channels), dtype=np.uint8)


def fit(images, scope="channel") -> Normalization:
    pixels = torch.as_tensor(images)
    name = f"{pixels.sum(dtype=torch.int64)}-{tuple(pixels.shape)}"
    return zscore.build(zscore.Config(scope), Source(pixels.shape[-1], lambda: [pixels], lambda: name, None))


@pytest.mark.parametrize("channels", [1, 2, 3, 13])
def test_statistics_are_those_of_numpy(channels):
    images = random_images(channels=channels)
    scaled = images.astype(np.float64) / 255
    for scope, axes in (("channel", (0, 1, 2)), ("global", None)):
        affine = fit(images, scope)
        assert len(affine.mean) == len(affine.std) == (channels if scope == "channel" else 1)
        np.testing.assert_allclose(affine.mean, np.atleast_1d(scaled.mean(axis=axes)), rtol=1e-14)
        np.testing.assert_allclose(affine.std, np.atleast_1d(scaled.std(axis=axes)), rtol=1e-13)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("scope", "axes"), [("channel", (0, 2, 3)), ("global", (0, 1, 2, 3)), ("image", (1, 2, 3))])
def test_b3_the_result_has_mean_zero_and_deviation_one(channels, scope, axes):
    images = random_images(500, channels)
    normalized = fit(images, scope)(torch.from_numpy(images).permute(0, 3, 1, 2)).double()
    assert normalized.mean(dim=axes).abs().max() < 1e-5
    assert (normalized.std(dim=axes, correction=0) - 1).abs().max() < 1e-4


def test_scope_image_is_per_image_over_all_channels():
    images = torch.from_numpy(random_images()).permute(0, 3, 1, 2)
    found = fit(random_images(), "image")
    assert isinstance(found, ByImage) and torch.equal(found(images), ByImage("global", 0.001)(images))


def test_b1_equal_spread_brings_the_condition_number_from_ten_thousand_to_one():
    """The Hessian of a linear least-squares fit, X^T X, of two features with deviations 1 and 100."""
    signs = torch.tensor([[-1, -1], [-1, 1], [1, -1], [1, 1]] * 25)
    images = (127 + signs * torch.tensor([1, 100])).byte().view(100, 1, 1, 2)

    def condition(features):
        centred = features.double() - features.double().mean(0)
        values = torch.linalg.eigvalsh(centred.T @ centred)
        return (values[1] / values[0]).item()

    assert condition(images.view(100, 2)) == pytest.approx(1e4)
    assert condition(fit(images)(images.permute(0, 3, 1, 2)).view(100, 2)) == pytest.approx(1, rel=1e-5)


def test_e9_the_shape_of_the_distribution_stays():
    """A skewed distribution stays as skewed; z-scores are not normal."""
    levels = np.minimum(np.random.default_rng(0).exponential(40, (300, 8, 8, 1)), 255).astype(np.uint8)
    after = fit(levels)(torch.from_numpy(levels).permute(0, 3, 1, 2)).double().numpy()

    def skewness(values):
        return (((values - values.mean()) / values.std()) ** 3).mean()

    assert skewness(levels.astype(np.float64)) > 1
    assert skewness(after) == pytest.approx(skewness(levels.astype(np.float64)), rel=1e-5)


def test_a_tiny_spread_on_a_bright_image_does_not_cancel():
    images = np.full((1000, 10, 10, 1), 255, dtype=np.uint8)
    images[0, 0, 0, 0] = 254
    # One of n = 100,000 pixels differs by one step: population variance (n - 1) / n**2 steps.
    n = 100_000
    assert fit(images).std[0] == pytest.approx(math.sqrt((n - 1) / n**2) / 255, rel=1e-12)


def test_a_constant_channel_is_only_shifted():
    images = random_images()
    images[..., 1] = 51
    affine = fit(images)
    assert affine.mean[1] == pytest.approx(0.2, rel=1e-15)
    assert affine.std[1] == 1.0
    assert affine(torch.full((1, 3, 1, 1), 51, dtype=torch.uint8))[0, 1].abs().item() < 1e-7


@pytest.mark.parametrize("scope", ["channel", "global"])
def test_b6_a_changed_training_pixel_changes_the_statistics(scope):
    images = random_images()
    first = fit(images, scope)
    images[0, 0, 0, 0] ^= 255
    assert fit(images, scope) != first


def test_an_unknown_scope_is_an_error():
    with pytest.raises(RuleError, match="scope=chanel: expected one of channel, global, image"):
        zscore.Config("chanel")


@pytest.mark.slow
def test_b3_cifar10_as_jpeg(cifar10_folder):
    from PIL import Image

    files = sorted(cifar10_folder.glob("*/*.jpg"))
    affine = fit(np.stack([np.asarray(Image.open(file)) for file in files]))
    # The usual constants of the PNG edition differ (.2470, .2435, .2616).
    assert affine.mean == pytest.approx((0.4913, 0.4821, 0.4465), abs=5e-5)
    assert affine.std == pytest.approx((0.2452, 0.2428, 0.2606), abs=5e-5)
