import numpy as np
import pytest
import torch
import yaml

from cvrun.errors import ConfigError, RuleError
from cvrun.normalize import Source, mean_only
from cvrun.options import build, config_root
from cvrun.typed import to_dataclass


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path))


IMAGES = np.random.default_rng(0).integers(0, 256, (40, 5, 4, 3), dtype=np.uint8)


def source(channels=3):
    pixels = torch.from_numpy(IMAGES[..., :channels].copy())
    return Source(channels, lambda: [pixels], lambda: f"{channels}", None)


def unused(channels):
    return Source(channels, lambda: pytest.fail("no image is needed"), lambda: pytest.fail("no hash is needed"), None)


def preset(channels=3):
    values = yaml.safe_load((config_root() / "normalize" / "vgg_mean.yaml").read_text())
    return build("normalize", values.pop("option"), mean_only.Config(**values), unused(channels))


@pytest.mark.parametrize(("scope", "axes"), [("channel", (0, 1, 2)), ("global", None)])
def test_b3_the_fitted_mean_is_taken_away_and_the_spread_stays(scope, axes):
    found = mean_only.build(mean_only.Config("fit", scope, 1.0), source())(torch.from_numpy(IMAGES).permute(0, 3, 1, 2))
    scaled = IMAGES / 255
    expected = scaled - scaled.mean(axis=axes)
    np.testing.assert_allclose(found.permute(0, 2, 3, 1), expected, atol=1e-6)
    assert np.abs(found.permute(0, 2, 3, 1).double().numpy().mean(axis=axes)).max() < 1e-5


def test_b7_vgg_mean_keeps_the_levels():
    image = torch.tensor([[[[123.68]], [[116.779]], [[103.939]]], [[[124.68]], [[0.0]], [[255.0]]]])
    found = preset()(image).flatten().tolist()
    assert found == pytest.approx([0, 0, 0, 1, -116.779, 255 - 103.939], abs=1e-4)


def test_b7_a_wrong_order_of_the_channels_shifts_red_and_blue():
    image = torch.randint(0, 256, (2, 3, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
    right, wrong = preset()(image), preset()(image.flip(1)).flip(1)
    shift = (wrong - right).mean(dim=(0, 2, 3)).tolist()
    # Red loses blue's mean instead of its own: 123.68 - 103.939.
    assert shift == pytest.approx([19.741, 0, -19.741], abs=1e-4)


def test_grey_images_lose_the_mean_of_the_three():
    mean = (123.68 + 116.779 + 103.939) / 3
    assert preset(1)(torch.full((1, 1, 1, 1), 200.0)).item() == pytest.approx(200 - mean, abs=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 3, 13])
def test_given_numbers_need_no_image(channels):
    given = tuple(float(i) for i in range(channels))
    found = mean_only.build(mean_only.Config(given, "channel", 1.0), unused(channels))
    assert found(torch.zeros(1, channels, 1, 1)).flatten().tolist() == pytest.approx([-v / 255 for v in given])
    one = mean_only.build(mean_only.Config((51.0,), "global", 255.0), unused(channels))
    assert one(torch.zeros(1, channels, 1, 1)).flatten().tolist() == pytest.approx([-51] * channels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mean": "fitt"}, "normalize.mean=fitt: expected one of fit"),
        ({"mean": 3.0}, "normalize.mean=3.0: expected a list, each entry a number or fit"),
        ({"mean": []}, r"normalize.mean=\[\]: expected fit, or numbers from 0 to 255"),
        ({"mean": [1.0, -1.0, 1.0]}, "expected fit, or numbers from 0 to 255"),
        ({"mean": [float("nan")] * 3}, "expected fit, or numbers from 0 to 255"),
        ({"mean": [1.0, 2.0], "scope": "global"}, "expected one number; normalize.scope=channel takes one a channel"),
        ({"scope": "image"}, "normalize.scope=image: expected one of channel, global"),
        ({"output_range": 0.0}, "normalize.output_range=0.0: expected 0 < output_range"),
        ({"mean": [1.0, 2.0]}, r"normalize.mean=\[1.0, 2.0\]: expected 3 numbers, one a channel of the images"),
        ({"mean": [1.0]}, "normalize.scope=global takes one for all"),
    ],
)
def test_what_makes_no_sense_is_an_error(values, message):
    whole = {"mean": "fit", "scope": "channel", "output_range": 1.0, **values}
    with pytest.raises(ConfigError, match=message):
        build("normalize", "mean_only", to_dataclass(mean_only.Config, whole, "normalize"), source())


def test_three_numbers_do_not_fit_thirteen_channels():
    with pytest.raises(RuleError, match="expected 13 numbers"):
        mean_only.build(mean_only.Config((1.0, 2.0, 3.0), "channel", 1.0), unused(13))
