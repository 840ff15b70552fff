"""Every YAML file of the group builds a normalization that keeps the group's contract, and a state makes it again."""

import json
import math
from pathlib import Path

import pytest
import torch
import yaml

from cvrun.errors import CheckpointError
from cvrun.normalize import KINDS, Normalization, Source, from_state
from cvrun.options import load
from cvrun.typed import to_dataclass

FILES = sorted((Path(__file__).parents[2] / "configs" / "normalize").glob("*.yaml"))
SQUEEZED = {"per_image"}
"""Where an image's own pixels say what becomes of each of them, so that two images cannot be compared."""


@pytest.fixture(params=[1, 3], ids=["grey", "rgb"])
def images(request, tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path))
    images = torch.randint(0, 256, (20, 6, 6, request.param), generator=torch.Generator().manual_seed(0)).byte()
    # Every level can be told from every other by what is fitted to them.
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    return images


def build(path: Path, images: torch.Tensor) -> Normalization:
    values = yaml.safe_load(path.read_text())
    module = load("normalize", values.pop("option"))
    source = Source(images.shape[-1], lambda: images, lambda: f"{images.shape[-1]}", ((0.5,) * 3, (0.25,) * 3))
    return module.build(to_dataclass(module.Config, values, "normalize"), source)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_result_is_finite_float32_of_the_same_shape(path, images):
    image = images.permute(0, 3, 1, 2)
    for given in (image, image.float()):
        before = given.clone()
        got = build(path, images)(given)
        assert got.dtype == torch.float32
        assert got.shape == image.shape
        assert got.isfinite().all()
        assert torch.equal(given, before)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_levels_as_bytes_and_as_floats_give_the_same_bits(path, images):
    """Augmented images are floats, validation images are bytes; the order of memory changes nothing either."""
    image, normalize = images.permute(0, 3, 1, 2), build(path, images)
    expected = normalize(image)
    for given in (image.float(), image.contiguous(), image.float().contiguous()):
        assert torch.equal(normalize(given), expected)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_inverse_gives_the_image_back(path, images):
    image, normalize = images.permute(0, 3, 1, 2), build(path, images)
    between = image + torch.rand(image.shape, generator=torch.Generator().manual_seed(1)) * (image < 255)
    for given in (image, image.contiguous(), between):
        back = normalize.inverse(normalize(given), normalize.statistics(given))
        assert back.dtype == torch.float32 and back.min() >= 0 and back.max() <= 255
        # On the scale from 0 to 1.
        assert (back.double() - given.double()).abs().max() / 255 < 1e-6


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_inverse_stays_within_the_levels(path, images):
    normalize = build(path, images)
    statistics = normalize.statistics(images.permute(0, 3, 1, 2))
    far = torch.tensor([-1e6, 1e6])[:, None, None, None].expand(2, images.shape[-1], 2, 2)
    statistics = None if statistics is None else tuple(value[:2] for value in statistics)
    low, high = normalize.inverse(far, statistics).aminmax()
    assert low == 0 and 255 * (1 - 1e-6) < high <= 255


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_state_makes_the_round_trip_as_text(path, images):
    normalize = build(path, images)
    again = from_state(json.loads(json.dumps(normalize.state())), images.shape[-1], "x")
    assert again == normalize and type(again) is type(normalize)
    image = images.permute(0, 3, 1, 2)
    assert torch.equal(again(image), normalize(image))
    assert normalize.state()["kind"] in KINDS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_brighter_pixels_stay_brighter(path, images):
    normalize = build(path, images)
    within = torch.arange(256, dtype=torch.uint8).expand(1, images.shape[-1], 1, 256)
    assert (normalize(within).diff(dim=3) > 0).all()
    if path.stem not in SQUEEZED:
        assert torch.equal(normalize(within.permute(3, 1, 0, 2)), normalize(within).permute(3, 1, 0, 2))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_says_in_a_few_words_what_it_does(path, images):
    text = build(path, images).described()
    assert text and "\n" not in text and len(text) < 120


@pytest.mark.parametrize("channels", [2, 13])
@pytest.mark.parametrize(
    "path", [path for path in FILES if path.stem not in ("model", "imagenet", "vgg_mean")], ids=lambda path: path.stem
)
def test_any_number_of_channels(path, channels, tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path))
    images = torch.randint(0, 256, (9, 5, 4, channels), generator=torch.Generator().manual_seed(0)).byte()
    normalize = build(path, images)
    image = images.permute(0, 3, 1, 2)
    back = normalize.inverse(normalize(image), normalize.statistics(image))
    assert (back - image).abs().max() / 255 < 1e-6
    assert torch.equal(normalize(image), normalize(image.contiguous()))
    assert from_state(normalize.state(), channels, "x") == normalize
    assert len(normalize.described()) < 250


def test_a_state_of_before_kinds_is_affine():
    found = from_state({"mean": [0.5], "std": [0.25]}, 1, "x")
    assert found(torch.full((1, 1, 1, 1), 255.0)).item() == pytest.approx(2)


AFFINE = {"kind": "affine", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
RANGE = {"kind": "range", "low": [1.0], "high": [9.0], "clip": True}
CURVE = {"kind": "curve", "function": "tanh", "scale": 2.0}
BY_IMAGE = {"kind": "per_image", "scope": "global", "eps": 0.001}
OWN = [1]
OWN.append(OWN)


@pytest.mark.parametrize("state", [AFFINE, RANGE, CURVE, BY_IMAGE])
def test_the_states_of_the_next_test_are_whole(state):
    assert from_state(state, 3, "x").state() == state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "it is None"),
        ([1, 2], r"it is \[1, 2\]"),
        ({}, "mean is missing"),
        ({**AFFINE, "kind": "afine"}, "its kind is 'afine', expected one of affine, range, curve, per_image"),
        ({**AFFINE, "kind": ["affine"]}, "its kind is"),
        ({**AFFINE, "kind": "\x1b[31m" + "x" * 5000}, "its kind is"),
        ({**AFFINE, "mean": [math.nan] * 3}, "mean holds nan, expected finite numbers"),
        ({**AFFINE, "mean": [math.inf] * 3}, "mean holds inf, expected finite numbers"),
        ({**AFFINE, "mean": [10**400] * 3}, "mean holds"),
        ({**AFFINE, "mean": [10**5000] * 3}, "mean holds int"),
        ({**AFFINE, "mean": [True] * 3}, "mean holds True"),
        ({**AFFINE, "mean": ["0.5"] * 3}, "mean holds '0.5'"),
        ({**AFFINE, "mean": 0.5}, "mean is 0.5, expected a list of numbers"),
        ({**AFFINE, "mean": OWN}, "mean has 2 numbers, expected 3, one a channel"),
        ({**AFFINE, "mean": [0.5] * 4, "std": [0.5] * 4}, "mean has 4 numbers, expected 3"),
        ({**AFFINE, "mean": []}, "mean has 0 numbers"),
        ({**AFFINE, "mean": [0.5]}, "std has 3 numbers, expected 1 as mean has"),
        ({**AFFINE, "std": [0.25, 0.0, 0.25]}, "std holds 0.0, expected numbers > 0"),
        ({**AFFINE, "std": [0.25, -1.0, 0.25]}, "std holds -1.0, expected numbers > 0"),
        ({**AFFINE, "std": [0.25, 1e-300, 0.25]}, "std holds 1e-300"),
        ({**AFFINE, "mean": [1e300] * 3}, "std holds 0.25"),
        ({**RANGE, "low": [9.5]}, "expected 0 <= low <= high <= 255"),
        ({**RANGE, "high": [256.0]}, "expected 0 <= low <= high <= 255"),
        ({**RANGE, "high": [9.0] * 3}, "high has 3 numbers, expected 1"),
        ({**RANGE, "clip": 1}, "clip is 1, expected true or false"),
        ({**CURVE, "function": "tan"}, "function=tan: expected one of log1p"),
        ({**CURVE, "function": None}, "function is None"),
        ({**CURVE, "scale": 0}, "scale is 0.0, expected 0 < scale <= 6"),
        ({**CURVE, "scale": 60.0}, "scale is 60.0, expected 0 < scale <= 6"),
        ({**CURVE, "scale": math.nan}, "scale holds nan"),
        ({**BY_IMAGE, "scope": "image"}, "scope=image: expected one of channel, global"),
        ({**BY_IMAGE, "eps": 0.0}, "eps is 0.0, expected 0 < eps <= 1"),
    ],
)
def test_a_damaged_or_hostile_state_is_one_line(state, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        from_state(state, 3, "outputs/x")
    text = str(caught.value)
    assert text.startswith("outputs/x: its normalization cannot be used: ")
    assert len(text) < 220 and text.isprintable()
