"""Affine maps against torchvision.transforms.v2.functional, one image at a time."""

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from cvrun.augment import _geometry

NUM = 40


@pytest.fixture
def parameters(numbers):
    """Angle, shift, zoom, shear for NUM samples."""
    shift = torch.stack((numbers(NUM, -8, 8, 2), numbers(NUM, -8, 8, 3)), dim=1).round()
    shear = torch.stack((numbers(NUM, -40, 40, 4), numbers(NUM, -40, 40, 5)), dim=1)
    return numbers(NUM, -180, 180), shift, numbers(NUM, 0.4, 2.5, 6), shear


def expected(image, i, parameters, interpolation, center=None):
    angle, shift, zoom, shear = (value[i].tolist() for value in parameters)
    mode = InterpolationMode(interpolation)
    return reference.affine(image, angle, shift, zoom, shear, interpolation=mode, center=center)


@pytest.mark.parametrize("interpolation", _geometry.INTERPOLATIONS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(("channels", "size"), [(1, (19, 26)), (3, (19, 26)), (3, (32, 32)), (3, (41, 17))])
def test_affine(pictures, parameters, interpolation, dtype, channels, size):
    images = pictures(NUM, channels, *size).to(dtype)
    matrix = _geometry.inverse(*parameters, torch.zeros(NUM, 2))
    got = _geometry.affine(images, matrix, interpolation, 0)
    assert got.dtype == dtype
    for i in range(NUM):
        torch.testing.assert_close(got[i], expected(images[i], i, parameters, interpolation), rtol=0, atol=1e-4)


def test_the_center_stays(pictures, parameters):
    images = pictures(NUM)
    center = torch.tensor([3.0, 15.0])
    from_middle = (center - torch.tensor([13.0, 9.5])).expand(NUM, 2)
    got = _geometry.affine(images, _geometry.inverse(*parameters, from_middle), "nearest", 0)
    for i in range(NUM):
        assert torch.equal(got[i], expected(images[i], i, parameters, "nearest", center.tolist()))


@pytest.mark.parametrize("interpolation", _geometry.INTERPOLATIONS)
def test_fill_is_what_a_wide_frame_of_it_would_show(pictures, parameters, interpolation):
    images, (_, _, zoom, _) = pictures(NUM), parameters
    parameters = (*parameters[:2], zoom.clamp(min=0.8), parameters[3] / 4)
    got = _geometry.affine(images, _geometry.inverse(*parameters, torch.zeros(NUM, 2)), interpolation, 200)
    frame = 60
    for i in range(NUM):
        padded = reference.pad(images[i], [frame] * 4, fill=200)
        seen = expected(padded, i, parameters, interpolation)[:, frame:-frame, frame:-frame]
        # The wider image has other rounding errors: a place half-way between two pixels may fall to the other side.
        apart = (got[i].int() - seen.int()).abs()
        assert (apart > 1).float().mean() < 0.005
        assert (apart > 0).float().mean() < 0.02


@pytest.mark.parametrize("interpolation", _geometry.INTERPOLATIONS)
def test_a_mask_is_read_at_the_nearest_pixel(pictures, parameters, interpolation):
    images = pictures(NUM, channels=1)
    matrix = _geometry.inverse(*parameters, torch.zeros(NUM, 2))
    mask = _geometry.affine(images[:, 0].long(), matrix, interpolation, 255)
    assert mask.dtype == torch.int64
    assert torch.equal(mask, _geometry.affine(images, matrix, "nearest", 255)[:, 0].long())


def test_a_quarter_turn_is_clockwise():
    image = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3)
    zero = torch.zeros(1, 2)
    matrix = _geometry.inverse(torch.tensor([90.0]), zero, torch.ones(1), zero, zero)
    assert torch.equal(_geometry.affine(image, matrix, "nearest", 0), image.rot90(-1, (2, 3)))


def test_no_motion_changes_nothing(pictures):
    images, zero = pictures(4), torch.zeros(4, 2)
    matrix = _geometry.inverse(torch.zeros(4), zero, torch.ones(4), zero, zero)
    for interpolation in _geometry.INTERPOLATIONS:
        assert torch.equal(_geometry.affine(images, matrix, interpolation, 9), images)
