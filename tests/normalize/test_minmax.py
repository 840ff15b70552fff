import numpy as np
import pytest
import torch

from cvrun.errors import ConfigError
from cvrun.normalize import Source, minmax
from cvrun.options import build
from cvrun.typed import to_dataclass


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path))


def source(images):
    pixels = torch.as_tensor(images)
    return Source(pixels.shape[-1], lambda: [pixels], lambda: f"{hash(pixels.numpy().tobytes())}", None)


def fit(images, **values):
    whole = {"low": "fit", "high": "fit", "scope": "channel", "clip": False, **values}
    return build("normalize", "minmax", to_dataclass(minmax.Config, whole, "normalize"), source(images))


def levels(*values):
    return torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1)


def apply(normalize, *values):
    return normalize(levels(*values)).flatten().tolist()


RANDOM = np.random.default_rng(0).integers(5, 250, (40, 6, 5, 3), dtype=np.uint8)


def test_b2_the_training_range_becomes_zero_to_one():
    fitted = fit(levels(10, 20, 30))
    assert apply(fitted, 10, 20, 30, 35) == pytest.approx([0, 0.5, 1, 1.25], abs=1e-6)
    assert apply(fit(levels(10, 20, 30), clip=True), 35, 0) == [1, 0]


def test_b2_one_outlier_squeezes_the_rest_and_a_percentile_does_not():
    """The checklist's 1000 does not exist among levels; 255 squeezes 30 to 20 / 245."""
    images = levels(*([10, 20, 30] * 100), 255)
    assert apply(fit(images), 30)[0] == pytest.approx(20 / 245, abs=1e-6)
    assert apply(fit(images, high="99%"), 30, 255) == pytest.approx([1, 12.25], abs=1e-5)


@pytest.mark.parametrize(("scope", "axes"), [("channel", (0, 1, 2)), ("global", None)])
@pytest.mark.parametrize(("low", "high"), [("fit", "fit"), ("1%", "99%"), ("0.5%", "fit"), ("0%", "100%")])
def test_fitted_ends_are_those_of_numpy(scope, axes, low, high):
    found = fit(RANDOM, low=low, high=high, scope=scope)
    share = {"fit": None, "1%": 1, "99%": 99, "0.5%": 0.5, "0%": 0, "100%": 100}
    expected = [
        np.percentile(RANDOM.astype(np.float64), default if share[end] is None else share[end], axis=axes)
        for end, default in ((low, 0), (high, 100))
    ]
    np.testing.assert_allclose([found.low, found.high], [np.atleast_1d(value) for value in expected], rtol=1e-12)


def test_e10_constants_need_no_image_and_are_safe():
    empty = Source(3, lambda: pytest.fail("no image is needed"), lambda: pytest.fail("no hash is needed"), None)
    found = minmax.build(minmax.Config(0.0, 255.0, "channel", False), empty)
    image = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    assert found(image).aminmax() == (0, 1)
    torch.testing.assert_close(found(image), image / 255)


def test_a_number_and_a_fitted_end_go_together():
    found = fit(RANDOM, low=0, high="99%")
    assert found.low == (0, 0, 0) and found.high == pytest.approx(np.percentile(RANDOM, 99, axis=(0, 1, 2)).tolist())


def test_a_channel_of_one_level_is_only_shifted():
    images = RANDOM.copy()
    images[..., 1] = 51
    found = fit(images, clip=True)(torch.full((1, 3, 1, 1), 51, dtype=torch.uint8))
    assert found[0, 1].item() == pytest.approx(0, abs=1e-7) and found.isfinite().all()


def dark(channel=1):
    """80 pixels of three channels, of which one is black but for one pixel: 98.75 %."""
    images = np.random.default_rng(0).integers(0, 256, (1, 8, 10, 3), dtype=np.uint8)
    images[..., channel] = 0
    images[0, 0, 0, channel] = 200
    return images


def test_percentiles_with_nothing_between_them_are_refused():
    said = r"^normalize.high=98%: expected low and high at two levels, but in channel 1 \(the first is 0\) low=1% and "
    with pytest.raises(ConfigError, match=rf"{said}high=98% are both 0; take percentiles further apart"):
        fit(dark(), low="1%", high="98%")
    with pytest.raises(ConfigError, match="in all channels together low=1% and high=98% are both 0"):
        fit(dark()[..., 1:2], low="1%", high="98%", scope="global")
    bright = 255 - dark()
    with pytest.raises(ConfigError, match="^normalize.low=2%: .* low=2% and high=fit are both 255"):
        fit(bright, low="2%", high="fit")
    assert fit(dark(), low="1%", high="fit").high[1] == 200


def test_a_constant_channel_is_described_as_it_is():
    images = dark()
    images[..., 1] = 51
    found = fit(images, low="1%", high="98%")
    assert found.described().endswith(" becomes 0 to 1; of one level and only shifted: channel 1")
    assert found(torch.full((1, 3, 1, 1), 102, dtype=torch.uint8))[0, 1].item() == pytest.approx(0.2)
    alone = fit(images[..., 1:2], clip=True)
    assert alone.described() == "51.00 becomes 0, only shifted for want of a second level, clipped"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"low": "fitt"}, "normalize.low=fitt: expected fit, a number from 0 to 255, or a percentile from 0% to 100%"),
        ({"low": "-1%"}, "normalize.low=-1%: expected fit"),
        ({"high": "101%"}, "normalize.high=101%: expected fit"),
        ({"high": "\u0661%"}, "expected fit, a number"),
        ({"low": -1}, "normalize.low=-1.0: expected 0 <= low <= 255"),
        ({"high": 65535}, "normalize.high=65535.0: expected 0 <= high <= 255"),
        ({"high": float("nan")}, "normalize.high=nan: expected 0 <= high <= 255"),
        ({"low": 9, "high": 9}, "normalize.low=9.0: expected a number below high, which is 9.0"),
        ({"low": "99%", "high": "1%"}, "normalize.low=99%: expected less than high, which is 1%"),
        ({"low": "fit", "high": "0%"}, "normalize.low=fit: expected less than high, which is 0%"),
        ({"low": None}, "normalize.low=null: expected a number or fit, or a percentile such as 1%"),
        ({"low": 250}, "normalize.low=250.0: expected less than high, which is 249.00 249.00 249.00"),
        ({"high": 5}, "normalize.high=5.0: expected more than low, 5.00 5.00 5.00"),
        ({"scope": "image"}, "normalize.scope=image: expected one of channel, global"),
    ],
)
def test_what_makes_no_sense_is_an_error(values, message):
    with pytest.raises(ConfigError, match=message):
        fit(RANDOM, **values)
