"""Policies against torchvision's classes: the same operation at the same magnitude gives the same pixels."""

import pytest
import torch
from torchvision.transforms.v2 import AutoAugment, InterpolationMode, RandAugment, TrivialAugmentWide

from cvrun.augment import _policies, _rounds
from cvrun.augment._magnitudes import OPERATIONS, SIGNED, strengths
from cvrun.augment._move import Outside
from cvrun.pipeline import Batch

POLICIES = {
    "randaugment": (_policies.randaugment(2, 9, 31), RandAugment),
    "strong randaugment": (_policies.randaugment(1, 30, 31), RandAugment),
    "trivialaugment": (_policies.trivialaugment(31), TrivialAugmentWide),
    "imagenet": (_policies.autoaugment("imagenet"), AutoAugment),
    "cifar10": (_policies.autoaugment("cifar10"), AutoAugment),
    "svhn": (_policies.autoaugment("svhn"), AutoAugment),
}
NAMES = {name.lower(): name for name in [*AutoAugment._AUGMENTATION_SPACE, "Identity"]}


def reference(image, policy, kind, drawn, i, interpolation, fill):
    """What torchvision does to one image for one drawn operation."""
    name = NAMES[OPERATIONS[drawn.operation[i]].replace("_", "")]
    magnitude = 0.0
    if name != "Identity":
        function, signed = kind._AUGMENTATION_SPACE[name]
        values = function(policy.bins, *image.shape[1:])
        magnitude = 0.0 if values is None else float(values[drawn.magnitude[i]])
        assert signed == bool(SIGNED[drawn.operation[i]])
        magnitude *= float(drawn.sign[i])
    mode = InterpolationMode(interpolation)
    return kind()._apply_image_or_video_transform(image, name, magnitude, mode, {torch.Tensor: fill})


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize(("channels", "size"), [(3, (32, 32)), (1, (19, 26)), (3, (60, 41))])
def test_pixels(pictures, keys_of, name, interpolation, channels, size):
    policy, kind = POLICIES[name]
    images, keys = pictures(150, channels, *size), keys_of(150)
    before = images.clone()
    batch = Batch(images, torch.zeros(150, dtype=torch.int64), torch.arange(150))
    got = _rounds.apply(batch, keys, policy, interpolation, Outside(0, 0)).image
    assert got.dtype == torch.uint8 and torch.equal(images, before)
    differing = 0
    for i in range(150):
        wanted = images[i]
        for drawn in policy.draw(keys):
            wanted = reference(wanted, policy, kind, drawn, i, interpolation, None)
        differing += (got[i] != wanted).sum().item()
    # Contrast, whose reference rounds a few pixels twice (test_enhance.py), is the one operation that may differ.
    assert differing / got.numel() < 2e-4


def test_every_operation_is_met_at_every_strength(pictures):
    """A sample for each operation and magnitude, either sign."""
    bins = 31
    images = pictures(1, 3, 33, 40)
    for number, name in enumerate(OPERATIONS[:14]):
        magnitude = torch.arange(bins).repeat(2)
        sign = torch.where(SIGNED[number] & (torch.arange(2 * bins) >= bins), -1.0, 1.0).double()
        drawn = _policies.Round(torch.full((2 * bins,), number), magnitude, sign)
        policy = _policies.Policy(lambda keys, drawn=drawn: [drawn], "wide", bins)
        many = images.expand(2 * bins, -1, -1, -1).contiguous(memory_format=torch.channels_last)
        batch = Batch(many, torch.zeros(2 * bins, dtype=torch.int64), torch.arange(2 * bins))
        got = _rounds.apply(batch, torch.arange(2 * bins), policy, "nearest", Outside(0, 0)).image
        for i in range(2 * bins):
            wanted = reference(images[0], policy, TrivialAugmentWide, drawn, i, "nearest", None)
            apart = (got[i].int() - wanted.int()).abs()
            assert apart.max() <= (name == "contrast")
            assert (apart > 0).float().mean() < 0.01


def test_masks_move_with_the_images(pictures, keys_of):
    """The images are their own masks, so the samples that only moved still are."""
    images, keys = pictures(300, 1), keys_of(300)
    policy = POLICIES["strong randaugment"][0]
    batch = Batch(images, images[:, 0].long(), torch.arange(300))
    got = _rounds.apply(batch, keys, policy, "nearest", Outside(0, 0))
    (drawn,) = policy.draw(keys)
    moved = torch.tensor([name.startswith(("shear", "translate", "rotate")) for name in OPERATIONS])[drawn.operation]
    assert torch.equal(got.target[moved], got.image[moved, 0].long())
    assert (got.target[moved] != batch.target[moved]).flatten(1).any(dim=1).all()
    assert torch.equal(got.target[~moved], batch.target[~moved])


def test_what_comes_in_is_the_fill(pictures, keys_of):
    images = pictures(400, 3) // 2
    batch = Batch(images, images[:, 0].long(), torch.arange(400))
    (drawn,) = POLICIES["strong randaugment"][0].draw(keys_of(400))
    got = _rounds.apply(batch, keys_of(400), POLICIES["strong randaugment"][0], "nearest", Outside(250, 999))
    shifted = drawn.operation == OPERATIONS.index("translate_x")
    outside = got.target == 999
    pixels = int(strengths("narrow", 31, 19, 26)[OPERATIONS.index("translate_x"), 30])
    assert (outside[shifted].flatten(1).sum(dim=1) == pixels * 19).all()
    assert (got.image[shifted].permute(0, 2, 3, 1)[outside[shifted]] == 250).all()


def test_a_float_image_is_rounded_first(pictures, keys_of):
    images = pictures(30)
    target, index = torch.zeros(30, dtype=torch.int64), torch.arange(30)
    arguments = keys_of(30), POLICIES["randaugment"][0], "nearest", Outside(0, 0)
    wanted = _rounds.apply(Batch(images, target, index), *arguments).image
    got = _rounds.apply(Batch(images.clamp(1, 254) + 0.0, target, index), *arguments).image
    assert torch.equal(got, _rounds.apply(Batch(images.clamp(1, 254), target, index), *arguments).image)
    assert torch.equal(_rounds.apply(Batch(images + 0.3, target, index), *arguments).image, wanted)
