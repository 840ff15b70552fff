import dataclasses

import pytest
import torch

from cvrun.augment import basic
from cvrun.errors import RuleError
from cvrun.pipeline import Batch
from cvrun.rng import key, sample_keys

OFF = basic.Config(
    hflip=0.0,
    vflip=0.0,
    crop_padding=0,
    padding_mode="zeros",
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
    hue=0.0,
)
ALL_ON = dataclasses.replace(
    OFF, hflip=0.5, vflip=0.5, crop_padding=3, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1
)


def keys_of(num: int, epoch: int = 0) -> torch.Tensor:
    index = torch.arange(num)
    return sample_keys(key(0, "augment", epoch), index, torch.zeros_like(index))


def batch_of(num: int, channels: int = 3, size: int = 16) -> Batch:
    images = torch.randint(0, 256, (num, size, size, channels), generator=torch.Generator().manual_seed(0))
    image = images.to(torch.uint8).permute(0, 3, 1, 2)
    return Batch(image, torch.zeros(num, dtype=torch.int64), torch.arange(num))


def augment(config: basic.Config, batch: Batch, keys: torch.Tensor) -> Batch:
    return basic.build(config, 10).change(batch, keys)


def test_everything_off_gives_the_images_back():
    batch = batch_of(4)
    assert augment(OFF, batch, keys_of(4)).image is batch.image


def test_a_batch_is_augmented_as_each_sample_alone():
    batch, keys = batch_of(24), keys_of(24)
    whole = augment(ALL_ON, batch, keys).image
    for i in range(24):
        one = Batch(batch.image[i : i + 1], batch.target[i : i + 1], batch.index[i : i + 1])
        assert torch.equal(augment(ALL_ON, one, keys[i : i + 1]).image[0], whole[i])


def test_the_keys_decide_and_nothing_else():
    batch = batch_of(8)
    first = augment(ALL_ON, batch, keys_of(8)).image
    torch.manual_seed(99)
    assert torch.equal(augment(ALL_ON, batch, keys_of(8)).image, first)
    assert not torch.equal(augment(ALL_ON, batch, keys_of(8, epoch=1)).image, first)


@pytest.mark.parametrize("name", ["hflip", "vflip"])
def test_half_of_ten_thousand_images_are_flipped(name):
    ramp = torch.arange(2, dtype=torch.uint8)
    image = ramp.view(1, 1, 1, 2) if name == "hflip" else ramp.view(1, 1, 2, 1)
    batch = Batch(image.expand(10_000, -1, -1, -1), torch.zeros(10_000, dtype=torch.int64), torch.arange(10_000))
    flipped = augment(dataclasses.replace(OFF, **{name: 0.5}), batch, keys_of(10_000)).image[:, 0, 0, 0] == 1
    # Three standard errors (checklist C2).
    assert flipped.float().mean().item() == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize(("name", "axis"), [("hflip", 3), ("vflip", 2)])
def test_a_certain_flip_is_a_flip_and_its_own_inverse(name, axis):
    config, batch, keys = dataclasses.replace(OFF, **{name: 1.0}), batch_of(6), keys_of(6)
    once = augment(config, batch, keys)
    assert torch.equal(once.image, batch.image.flip(axis))
    assert torch.equal(augment(config, once, keys).image, batch.image)


def test_all_shifts_of_a_crop_come_equally_often():
    image = torch.zeros(20_000, 1, 5, 5, dtype=torch.uint8)
    image[:, :, 2, 2] = 1
    batch = Batch(image, torch.zeros(20_000, dtype=torch.int64), torch.arange(20_000))
    moved = augment(dataclasses.replace(OFF, crop_padding=2), batch, keys_of(20_000)).image
    share = moved.float().mean(dim=(0, 1))
    # The white pixel takes each of 25 places; five standard errors of a share of 1/25.
    assert (share - 1 / 25).abs().max() < 5 * (0.04 * 0.96 / 20_000) ** 0.5


def test_a_mask_moves_with_its_image():
    batch = batch_of(32, channels=1)
    with_mask = Batch(batch.image, batch.image[:, 0].long(), batch.index)
    moved = augment(dataclasses.replace(OFF, hflip=0.5, vflip=0.5, crop_padding=5), with_mask, keys_of(32))
    assert not torch.equal(moved.image, batch.image)
    assert moved.target.dtype == torch.int64
    assert torch.equal(moved.target, moved.image[:, 0].long())


def test_colour_leaves_masks_alone():
    batch = batch_of(4, channels=3)
    with_mask = Batch(batch.image, batch.image[:, 0].long(), batch.index)
    assert augment(dataclasses.replace(OFF, brightness=0.5), with_mask, keys_of(4)).target is with_mask.target


def test_dtypes_and_range():
    batch, keys = batch_of(16), keys_of(16)
    assert augment(dataclasses.replace(OFF, hflip=0.5, crop_padding=2), batch, keys).image.dtype == torch.uint8
    image = augment(dataclasses.replace(ALL_ON, brightness=2.0, contrast=3.0), batch, keys).image
    assert image.dtype == torch.float32
    assert image.min() >= 0 and image.max() <= 255


def test_the_input_is_not_written_to():
    batch = batch_of(8)
    floats = Batch(batch.image.float(), batch.target, batch.index)
    before = floats.image.clone()
    augment(ALL_ON, floats, keys_of(8))
    assert torch.equal(floats.image, before)


def test_brightness_factors_fill_their_range():
    image = torch.full((5000, 1, 1, 1), 100, dtype=torch.uint8)
    batch = Batch(image, torch.zeros(5000, dtype=torch.int64), torch.arange(5000))
    factors = augment(dataclasses.replace(OFF, brightness=0.4), batch, keys_of(5000)).image.flatten() / 100
    assert 0.6 <= factors.min() < 0.61 and 1.39 < factors.max() <= 1.4
    # Uniform in [.6, 1.4]: mean 1, standard deviation .8 / sqrt(12); five standard errors.
    assert factors.mean().item() == pytest.approx(1.0, abs=5 * 0.231 / 5000**0.5)


def test_grey_images_have_no_saturation_and_no_hue():
    batch = batch_of(4, channels=1)
    got = augment(dataclasses.replace(OFF, saturation=0.9, hue=0.5), batch, keys_of(4)).image
    assert torch.equal(got, batch.image.float())


@pytest.mark.parametrize("key", ["contrast", "saturation", "hue"])
def test_what_needs_colours_is_named(key):
    assert basic.build(dataclasses.replace(OFF, **{key: 0.1}), 10).of_colour == (key,)


def test_the_rest_works_with_any_number_of_channels():
    config = dataclasses.replace(OFF, hflip=0.5, vflip=0.5, crop_padding=2, brightness=0.5)
    assert basic.build(config, 10).of_colour == ()
    keys, wide = keys_of(6), batch_of(6, channels=6)
    both = augment(config, wide, keys).image
    # Each half is what becomes of it alone.
    for part in (slice(0, 3), slice(3, 6)):
        alone = augment(config, dataclasses.replace(wide, image=wide.image[:, part]), keys).image
        assert torch.equal(both[:, part], alone)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("hflip", 1.5, "0 <= hflip <= 1"),
        ("vflip", -0.1, "0 <= vflip <= 1"),
        ("crop_padding", -1, "crop_padding >= 0"),
        ("padding_mode", "mirror", "one of zeros, reflect, edge"),
        ("brightness", -0.1, "brightness >= 0"),
        ("contrast", float("nan"), "contrast >= 0"),
        ("saturation", float("inf"), "saturation >= 0"),
        ("hue", 0.6, "0 <= hue <= 0.5"),
    ],
)
def test_values_out_of_range_are_refused(name, value, rule):
    with pytest.raises(RuleError, match=f"{name}={value}: expected {rule}"):
        dataclasses.replace(OFF, **{name: value})
