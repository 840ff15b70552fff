"""Jitter, grey and lighting; the single changes of colour are tested in test_ops.py."""

import itertools

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from cvrun.augment import _colour, _ops
from cvrun.rng import uniform

CHANGES = _colour.steps(0.4, 0.5, 0.6, 0.1)
REFERENCE = {
    "brightness": reference.adjust_brightness,
    "contrast": reference.adjust_contrast,
    "saturation": reference.adjust_saturation,
    "hue": reference.adjust_hue,
}


def parameter(change, keys, i) -> float:
    return float(change.low + (change.high - change.low) * uniform(keys, 1, change.stream)[i, 0])


def test_changes_that_are_off_are_not_there():
    assert [change.stream for change in CHANGES] == ["brightness", "contrast", "saturation", "hue"]
    assert [change.low for change in CHANGES] == pytest.approx([0.6, 0.5, 0.4, -0.1])
    assert [change.high for change in CHANGES] == pytest.approx([1.4, 1.5, 1.6, 0.1])
    assert [change.stream for change in _colour.steps(0.0, 2.0, 0.0, 0.0)] == ["contrast"]
    assert _colour.steps(0.0, 2.0, 0.0, 0.0)[0].low == 0


def test_jitter_is_torchvisions_in_one_of_the_orders(pictures, keys_of):
    images, keys = pictures(60), keys_of(60)
    before = images.clone()
    got = _colour.jitter(images, keys, CHANGES, 1.0)
    assert got.dtype == torch.float32 and torch.equal(images, before)
    orders = set()
    for i in range(60):
        errors = {}
        for order in itertools.permutations(CHANGES):
            wanted = images[i] / 255
            for change in order:
                wanted = REFERENCE[change.stream](wanted, parameter(change, keys, i))
            errors[tuple(change.stream for change in order)] = (got[i] - 255 * wanted).abs().max().item()
        best = min(errors, key=errors.get)
        # Float32 on the scale [0, 255], amplified where the hue of an almost grey pixel is turned.
        assert errors[best] < 0.02
        orders.add(best)
    assert len(orders) > 15


def test_orders_are_equally_likely(keys_of):
    order = uniform(keys_of(24_000), 4, "jitter order").argsort(dim=1, stable=True)
    counts = (order * torch.tensor([64, 16, 4, 1])).sum(dim=1).unique(return_counts=True)[1]
    assert len(counts) == 24
    # Five standard errors.
    assert (counts / 24_000 - 1 / 24).abs().max() < 5 * (23 / 24**2 / 24_000) ** 0.5


def test_some_samples_are_not_jittered(pictures, keys_of):
    images = pictures(2000, 3, 4, 4)
    same = (_colour.jitter(images, keys_of(2000), CHANGES, 0.8) == images).flatten(1).all(dim=1)
    assert same.float().mean().item() == pytest.approx(0.2, abs=5 * 0.4 / 2000**0.5)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_grey(pictures, keys_of, dtype):
    images = pictures(2000, 3, 4, 4).to(dtype)
    got = _colour.grey(images, keys_of(2000), 0.3)
    changed = (got != images).flatten(1).any(dim=1)
    assert got.dtype == dtype
    assert changed.float().mean().item() == pytest.approx(0.3, abs=5 * 0.46 / 2000**0.5)
    wanted = reference.rgb_to_grayscale(images[changed], num_output_channels=3)
    torch.testing.assert_close(got[changed], wanted, rtol=0, atol=0 if dtype == torch.uint8 else 1e-4)


def test_an_image_of_one_channel_is_left(pictures, keys_of):
    images = pictures(4, 1)
    assert _colour.grey(images, keys_of(4), 1.0) is images
    assert _colour.lighting(images, keys_of(4), 0.1) is images


def test_the_shift_of_lighting_is_that_of_torchs_imagenet_example():
    """Krizhevsky et al. 2012: [p1 p2 p3][a1 l1, a2 l2, a3 l3]^T, by hand for one component at a time."""
    amount = torch.eye(3, dtype=torch.float64)
    got = _colour.lighting_shift(amount)
    assert got[0].tolist() == pytest.approx([-0.5675 * 55.4625, -0.5808 * 55.4625, -0.5836 * 55.4625])
    assert got[1].tolist() == pytest.approx([0.7192 * 4.794, -0.0045 * 4.794, -0.6948 * 4.794])
    assert got[2].tolist() == pytest.approx([0.4009 * 1.1475, -0.8140 * 1.1475, 0.4203 * 1.1475])


def test_lighting_shifts_all_pixels_alike_with_the_right_spread(keys_of):
    images = torch.full((20_000, 3, 2, 2), 128, dtype=torch.uint8)
    shift = _colour.lighting(images, keys_of(20_000), 0.1) - 128
    assert (shift == shift[..., :1, :1]).all()
    values = shift[..., 0, 0].double()
    vectors, lengths = torch.tensor(_colour.EIGENVECTORS).double(), torch.tensor(_colour.EIGENVALUES).double()
    covariance = vectors @ torch.diag((25.5 * lengths) ** 2) @ vectors.T
    torch.testing.assert_close(values.T.cov(), covariance, rtol=0.06, atol=0)
    assert (values.mean(dim=0).abs() < 5 * covariance.diag().sqrt() / 20_000**0.5).all()


def test_lighting_stays_on_the_scale(pictures, keys_of):
    got = _colour.lighting(pictures(50), keys_of(50), 5.0)
    assert got.min() == 0 and got.max() == 255


def test_ops_grey_is_luma():
    assert _ops.grey(torch.tensor([100.0, 0, 0]).view(1, 3, 1, 1)).item() == pytest.approx(29.89)
