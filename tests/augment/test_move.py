"""Flips, crops and affine maps of a batch; their pixels are tested in test_ops.py and test_geometry.py."""

import pytest
import torch
from scipy.stats import kstest
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from cvrun.augment import _move
from cvrun.pipeline import Batch

RANGES = _move.Affine(rotation=30, translation=0.25, zoom=(0.5, 1.5), shear=(20, 10))


def batch_of(images, mask=False):
    num = len(images)
    target = images[:, 0].long() if mask else torch.zeros(num, dtype=torch.int64)
    return Batch(images, target, torch.arange(num))


def test_the_fill_of_a_crop(pictures, keys_of):
    images = (pictures(50, 1) // 2).contiguous()
    flips = _move.Flips(0.5, 0.5, 6, "zeros")
    got = _move.flip_and_crop(batch_of(images, mask=True), keys_of(50), flips, _move.Outside(200, 999))
    plain = _move.flip_and_crop(batch_of(images + 1, mask=True), keys_of(50), flips)
    outside = plain.target == 0
    assert 0.05 < outside.float().mean() < 0.6
    assert (got.target[outside] == 999).all() and (got.image[:, 0][outside] == 200).all()
    assert torch.equal(got.target[~outside], plain.target[~outside] - 1)


def test_affine_is_torchvisions_at_the_drawn_parameters(pictures, keys_of, monkeypatch):
    images, given = pictures(30), []
    true = _move._geometry.inverse
    monkeypatch.setattr(_move._geometry, "inverse", lambda *args: given.extend(args) or true(*args))
    got = _move.affine(batch_of(images), keys_of(30), RANGES, "bilinear", _move.ZEROS).image
    angle, shift, zoom, shear, center = (value.double() for value in given)
    assert (center == 0).all()
    for i in range(30):
        wanted = reference.affine(
            images[i],
            float(angle[i]),
            shift[i].tolist(),
            float(zoom[i]),
            shear[i].tolist(),
            interpolation=InterpolationMode.BILINEAR,
        )
        assert (got[i].int() - wanted.int()).abs().max() <= 1
        assert (got[i] != wanted).float().mean() < 0.001


def test_parameters_fill_their_ranges(keys_of, monkeypatch):
    given = []
    monkeypatch.setattr(_move._geometry, "inverse", lambda *args: given.extend(args))
    RANGES.matrices(keys_of(4000), 400, 200)
    angle, shift, zoom, shear, _ = (value.double().numpy() for value in given)
    assert (shift == shift.round()).all()
    # Whole pixels, so a little off the uniform distribution.
    for values, low, high in (
        (angle, -30, 30),
        (shift[:, 0], -50, 50),
        (shift[:, 1], -100, 100),
        (zoom, 0.5, 1.5),
        (shear[:, 0], -20, 20),
        (shear[:, 1], -10, 10),
    ):
        assert low <= values.min() and values.max() <= high
        assert kstest(values, "uniform", args=(low, high - low)).statistic < 1.95 / 4000**0.5 + 0.005


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_masks_move_along(pictures, keys_of, interpolation):
    images = pictures(20, 1)
    got = _move.affine(batch_of(images, mask=True), keys_of(20), RANGES, interpolation, _move.ZEROS)
    nearest = _move.affine(batch_of(images), keys_of(20), RANGES, "nearest", _move.ZEROS).image
    assert torch.equal(got.target, nearest[:, 0].long())
    assert not torch.equal(got.target, images[:, 0].long())
