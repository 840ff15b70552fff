"""Which keys switch what on, in which order, and the ranges; the operations have tests of their own."""

import dataclasses
from pathlib import Path

import pytest
import torch
import yaml

from cvrun.augment import _blur, _colour, _erase, _move, _policies, _rounds, basic, standard
from cvrun.augment._mix import Mix
from cvrun.command.options import describe
from cvrun.errors import RuleError
from cvrun.pipeline import Batch
from cvrun.typed import to_dataclass

CONFIGS = Path(__file__).parents[2] / "configs" / "augment"


def preset(name: str) -> standard.Config:
    values = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    del values["option"]
    return to_dataclass(standard.Config, values, "augment")


OFF = dataclasses.replace(preset("standard"), hflip=0.0)
ON = {
    "hflip": {"hflip": 0.5},
    "vflip": {"vflip": 0.5},
    "crop": {"crop_padding": 3},
    "reflect": {"crop_padding": 3, "padding_mode": "reflect"},
    "rotation": {"rotation": 30.0},
    "translation": {"translation": 0.3},
    "zoom": {"zoom_min": 0.5, "zoom_max": 1.5},
    "shear_x": {"shear_x": 20.0},
    "shear_y": {"shear_y": 20.0, "interpolation": "bilinear"},
    "randaugment": {"policy": "randaugment"},
    "trivialaugment": {"policy": "trivialaugment"},
    "autoaugment": {"policy": "autoaugment"},
    "brightness": {"brightness": 0.4},
    "contrast": {"contrast": 0.4},
    "saturation": {"saturation": 0.4},
    "hue": {"hue": 0.1},
    "grey": {"grey": 0.5},
    "lighting": {"lighting": 0.1},
    "blur": {"blur": 0.5},
    "erasing": {"erasing": 0.5},
    "noise": {"erasing": 0.5, "erased": "noise"},
    "cutout": {"cutout": 8},
    "mixup": {"mixup_alpha": 0.2},
    "cutmix": {"cutmix_alpha": 1.0},
}
EVERYTHING = {key: value for values in ON.values() for key, value in values.items()}


@pytest.fixture
def batch(pictures):
    def draw(num: int = 24, channels: int = 3) -> Batch:
        return Batch(pictures(num, channels), torch.arange(num) % 5, torch.arange(num))

    return draw


def augmented(batch: Batch, keys, **changes) -> Batch:
    return standard.build(dataclasses.replace(OFF, **changes), 5).change(batch, keys)


def test_everything_off_gives_the_batch_back(batch, keys_of):
    given = batch()
    assert augmented(given, keys_of(24)) is given


@pytest.mark.parametrize("name", ON)
def test_each_key_changes_images(batch, keys_of, name):
    given = batch()
    got = augmented(given, keys_of(24), **ON[name])
    assert not torch.equal(got.image.float(), given.image.float())
    assert not torch.equal(augmented(given, keys_of(24, epoch=1), **ON[name]).image, got.image)
    assert torch.equal(augmented(given, keys_of(24), **ON[name]).image, got.image)


@pytest.mark.parametrize("name", ["all", *ON])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_batch_is_augmented_as_each_sample_alone(batch, keys_of, name, dtype):
    given, keys = batch(), keys_of(24)
    given = dataclasses.replace(given, image=given.image.to(dtype))
    changes = {**(EVERYTHING if name == "all" else ON[name]), "mixup_alpha": 0.0, "cutmix_alpha": 0.0}
    whole = augmented(given, keys, **changes).image
    for group in torch.arange(24).split([1, 1, 7, 1, 5, 1, 8]):
        part = Batch(given.image[group], given.target[group], group)
        assert torch.equal(augmented(part, keys[group], **changes).image, whole[group])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["all", *ON])
def test_what_is_given_stays(batch, keys_of, name, channels):
    given = batch(channels=channels)
    given = dataclasses.replace(given, image=given.image.float())
    before = given.image.clone()
    got = augmented(given, keys_of(24), **(EVERYTHING if name == "all" else ON[name]))
    assert torch.equal(given.image, before)
    assert got.image.shape == before.shape and got.image.min() >= 0 and got.image.max() <= 255


@pytest.mark.parametrize("name", ON)
def test_images_stay_uint8_as_long_as_levels_are_whole(batch, keys_of, name):
    floats = {"brightness", "contrast", "saturation", "hue", "lighting", "mixup"}
    assert augmented(batch(), keys_of(24), **ON[name]).image.dtype == (torch.float32 if name in floats else torch.uint8)


def test_flips_and_crops_are_those_of_basic(batch, keys_of):
    small = basic.Config(0.5, 0.3, 4, "zeros", 0.0, 0.0, 0.0, 0.0)
    wanted = basic.build(small, 5).change(batch(), keys_of(24)).image
    assert torch.equal(augmented(batch(), keys_of(24), hflip=0.5, vflip=0.3, crop_padding=4).image, wanted)


def test_the_order_is_the_documented_one(batch, keys_of, monkeypatch):
    order = []

    def spy(module, name):
        true = getattr(module, name)

        def called(*args, **kwargs):
            order.append(name.strip("_"))
            return true(*args, **kwargs)

        monkeypatch.setattr(module, name, called)

    for module, names in (
        (_move, ("flip_and_crop", "affine")),
        (_rounds, ("apply",)),
        (_colour, ("jitter", "grey", "lighting")),
        (_blur, ("random_blur",)),
        (_erase, ("erasing", "cutout")),
        (Mix, ("__call__",)),
    ):
        for name in names:
            spy(module, name)
    augmented(batch(), keys_of(24), **EVERYTHING)
    assert order == [
        *("flip_and_crop", "affine", "apply", "jitter", "grey", "lighting", "random_blur", "erasing", "cutout", "call")
    ]


def test_policies_get_their_keys(monkeypatch):
    given = {}
    for name in ("randaugment", "trivialaugment", "autoaugment"):
        monkeypatch.setattr(_policies, name, lambda *args, name=name: given.setdefault(name, args))
        config = dataclasses.replace(
            OFF, policy=name, policy_num_ops=3, policy_magnitude=7, policy_bins=20, policy_table="svhn"
        )
        standard.build(config, 5)
    assert given == {"randaugment": (3, 7, 20), "trivialaugment": (20,), "autoaugment": ("svhn",)}


def test_masks_get_their_fill(batch, keys_of):
    given = batch()
    masks = dataclasses.replace(given, target=torch.zeros(24, 19, 26, dtype=torch.int64))
    for changes in ({"crop_padding": 6}, {"rotation": 40.0}, {"policy": "trivialaugment"}):
        got = augmented(masks, keys_of(24), mask_fill=9, **changes).target
        assert got.unique().tolist() == [0, 9]


def test_a_region_is_given_where_it_is_on(keys_of):
    assert standard.build(OFF, 5).region is None
    augment = standard.build(dataclasses.replace(OFF, region="resized_crop", side=64, area_min=0.25, area_max=0.25), 5)
    boxes = augment.region(torch.tensor([[200, 200]]).expand(50, 2), keys_of(50))
    assert augment.side == 64
    assert (boxes[:, 2] * boxes[:, 3] / 40_000 - 0.25).abs().max() < 0.01


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"region": "crop"}, "region=crop: expected one of none, resized_crop"),
        ({"padding_mode": "zeros"}, "padding_mode=zeros: expected one of fill"),
        ({"interpolation": "bicubic"}, "interpolation=bicubic: expected one of nearest, bilinear"),
        ({"policy": "augmix"}, "policy=augmix: expected one of none, randaugment"),
        ({"policy_table": "mnist"}, "policy_table=mnist: expected one of imagenet"),
        ({"erased": "black"}, "erased=black: expected one of zeros, mean, noise"),
        ({"area_min": 0.0}, "area_min=0.0: expected 0 < area_min <= 1"),
        ({"area_min": 0.5, "area_max": 0.4}, "area_max=0.4: expected area_min <= area_max <= 1"),
        ({"ratio_min": -1.0}, "ratio_min=-1.0: expected 0 < ratio_min"),
        ({"zoom_min": 2.0}, "zoom_max=1.0: expected zoom_min <= zoom_max"),
        ({"erasing_area_max": 1.5}, "erasing_area_max=1.5: expected"),
        ({"erasing_ratio_min": float("nan")}, "erasing_ratio_min=nan: expected"),
        ({"blur_sigma_min": 0.0}, "blur_sigma_min=0.0: expected 0 < blur_sigma_min"),
        ({"blur_kernel": 4}, "blur_kernel=4: expected an odd number"),
        ({"side": -1}, "side=-1: expected side >= 0"),
        ({"cutout": -1}, "cutout=-1: expected cutout >= 0"),
        ({"mask_fill": -1}, "mask_fill=-1: expected mask_fill >= 0"),
        ({"fill": 256}, "fill=256: expected 0 <= fill <= 255"),
        ({"rotation": 181.0}, "rotation=181.0: expected 0 <= rotation <= 180"),
        ({"shear_x": 90.0}, "shear_x=90.0: expected 0 <= shear_x <= 89"),
        ({"translation": 1.1}, "translation=1.1: expected 0 <= translation <= 1"),
        ({"hue": 0.6}, "hue=0.6: expected 0 <= hue <= 0.5"),
        ({"brightness": float("inf")}, "brightness=inf: expected brightness >= 0"),
        ({"lighting": -0.1}, "lighting=-0.1: expected lighting >= 0"),
        ({"grey": 1.1}, "grey=1.1: expected 0 <= grey <= 1"),
        ({"mix_probability": -0.1}, "mix_probability=-0.1: expected"),
        ({"mixup_alpha": 0.001}, "mixup_alpha=0.001: expected mixup_alpha = 0"),
        ({"cutmix_alpha": -1.0}, "cutmix_alpha=-1.0: expected cutmix_alpha = 0"),
        ({"policy_num_ops": 0}, "policy_num_ops=0: expected policy_num_ops >= 1"),
        ({"policy_bins": 1}, "policy_bins=1: expected policy_bins >= 2"),
        ({"policy_magnitude": 31}, "policy_magnitude=31: expected 0 <= policy_magnitude < policy_bins = 31"),
    ],
)
def test_values_out_of_range_are_refused(changes, rule):
    with pytest.raises(RuleError, match=rule):
        dataclasses.replace(OFF, **changes)


@pytest.mark.parametrize("name", ["imagenet", "randaugment", "trivialaugment", "autoaugment", "mixup", "cutmix"])
def test_a_preset_differs_from_standard_in_what_its_name_says(name):
    own, plain = dataclasses.asdict(preset(name)), dataclasses.asdict(preset("standard"))
    wanted = {
        "imagenet": {"region", "side"},
        "randaugment": {"policy", "crop_padding"},
        "trivialaugment": {"policy", "crop_padding"},
        "autoaugment": {"policy", "policy_table", "crop_padding"},
        "mixup": {"mixup_alpha", "crop_padding"},
        "cutmix": {"cutmix_alpha", "crop_padding"},
    }
    assert {key for key in own if own[key] != plain[key]} == wanted[name]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_preset_says_on_top_what_it_is(path):
    """`cvrun options` shows that line, else the docstring of the module of that name."""
    shown = describe("augment", path)
    assert shown.endswith(".") and len(shown) > 20


@pytest.mark.skipif(not torch.cuda.is_available(), reason="compares a GPU with the CPU")
@pytest.mark.parametrize("keys_on", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ["all", *ON])
def test_a_gpu_gives_what_the_cpu_gives(batch, keys_of, name, keys_on):
    given, keys, changes = batch(64), keys_of(64), EVERYTHING if name == "all" else ON[name]
    wanted = augmented(given, keys, **changes)
    there = Batch(given.image.cuda(), given.target.cuda(), given.index.cuda())
    got = augmented(there, keys.to(keys_on), **changes)
    assert got.image.is_cuda and got.target.is_cuda and got.image.dtype == wanted.image.dtype
    torch.testing.assert_close(got.target.cpu(), wanted.target, rtol=0, atol=1e-6)
    apart = (got.image.cpu().double() - wanted.image.double()).abs()
    # Cosines and square roots may differ in the last bit, and so a place half-way between two pixels.
    assert (apart > (0 if wanted.image.dtype == torch.uint8 else 1e-3)).double().mean() < 1e-3


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"jitter": 0.5, "contrast": 0.1, "hue": 0.1, "brightness": 0.3}, ("contrast", "hue")),
        ({"jitter": 0.0, "saturation": 0.1}, ()),
        ({"grey": 0.1, "lighting": 0.1}, ("grey", "lighting")),
        ({"policy": "trivialaugment", "region": "resized_crop"}, ("policy",)),
        (
            {"jitter": 1.0, "brightness": 0.3, "blur": 0.5, "rotation": 20, "erasing": 0.5, "cutout": 4, "hflip": 0.5},
            (),
        ),
    ],
)
def test_what_needs_colours_is_named(changes, named):
    assert standard.build(dataclasses.replace(OFF, **changes), 10).of_colour == named


def test_the_rest_works_with_five_channels(pictures, keys_of):
    """Each channel is what becomes of it beside others."""
    on = {"jitter": 1.0, "brightness": 0.3, "blur": 0.5, "rotation": 20, "cutout": 4, "hflip": 0.5}
    config = dataclasses.replace(OFF, **on)
    five, keys = pictures(8, channels=5), keys_of(8)

    def change(image):
        return standard.build(config, 10).change(Batch(image, torch.zeros(8, dtype=torch.int64), torch.arange(8)), keys)

    whole = change(five).image
    assert whole.shape == (8, 5, 19, 26)
    torch.testing.assert_close(whole[:, 2:5], change(five[:, 2:5]).image, rtol=0, atol=1e-3)
