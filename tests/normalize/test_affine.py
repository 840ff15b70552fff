import numpy as np
import pytest
import torch

from cvrun.normalize._affine import SHOWN, Affine, Range, listed


def pixels(*values, channels=1):
    return torch.tensor(values, dtype=torch.float32)[:, None, None, None].expand(-1, channels, 1, 1)


@pytest.fixture(params=[1, 3], ids=["grey", "rgb"])
def images(request):
    return torch.randint(0, 256, (20, 6, 6, request.param), generator=torch.Generator().manual_seed(0)).byte()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_order_of_memory_changes_no_bit_and_stays(images, dtype):
    """Channels-last images are normalized row by row."""
    affine = Affine((0.1, 0.2, 0.3)[: images.shape[-1]], (0.5, 0.25, 0.3)[: images.shape[-1]])
    last = images.to(dtype).permute(0, 3, 1, 2)
    before = last.clone()
    found = affine(last)
    assert torch.equal(found, affine(last.contiguous())) and torch.equal(last, before)
    mean, std = (torch.tensor(value, dtype=torch.float64)[:, None, None] for value in (affine.mean, affine.std))
    torch.testing.assert_close(found.double(), (last.double() / 255 - mean) / std, atol=2e-6, rtol=1e-6)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert affine(last[:0]).shape == last[:0].shape


def test_one_pair_of_numbers_does_for_every_channel(images):
    image, channels = images.permute(0, 3, 1, 2), images.shape[-1]
    one, all_of_them = Affine((0.3,), (0.2,)), Affine((0.3,) * channels, (0.2,) * channels)
    for given in (image, image.contiguous(), image.float()):
        assert torch.equal(one(given), all_of_them(given))
    assert torch.equal(one.inverse(one(image)), all_of_them.inverse(all_of_them(image)))


def test_a_tiny_deviation_on_a_bright_image_is_undone():
    affine = Affine((0.999,), (0.001,))
    image = pixels(0, 1, 128, 254, 255)
    assert (affine.inverse(affine(image)) - image).abs().max() / 255 < 1e-6


def test_b2_a_range_becomes_zero_to_one():
    whole = Range((10.0,), (30.0,), clip=False)
    assert whole(pixels(10, 20, 30, 35)).flatten().tolist() == pytest.approx([0, 0.5, 1, 1.25], abs=1e-6)
    clipped = Range((10.0,), (30.0,), clip=True)
    assert clipped(pixels(10, 20, 30, 35, 0)).flatten().tolist() == pytest.approx([0, 0.5, 1, 1, 0], abs=1e-6)


def test_b2_an_outlier_squeezes_the_rest():
    assert Range((10.0,), (1000.0,), clip=False)(pixels(30)).item() == pytest.approx(0.0202, abs=5e-5)


def test_what_was_clipped_becomes_the_bound():
    clipped = Range((10.0,), (30.0,), clip=True)
    assert clipped.inverse(clipped(pixels(0, 10, 29, 35))).flatten().tolist() == pytest.approx([10, 10, 29, 30])
    beyond = Range((10.0,), (30.0,), clip=False)
    assert beyond.inverse(beyond(pixels(0, 35))).flatten().tolist() == pytest.approx([0, 35], abs=1e-4)


def test_a_range_of_one_level_is_only_shifted():
    assert Range((51.0,), (51.0,), clip=True)(pixels(51, 102)).flatten().tolist() == pytest.approx([0, 0.2], abs=1e-7)


def test_a_constant_of_every_channel(images):
    channels = images.shape[-1]
    low, high = tuple(range(10, 10 + channels)), tuple(range(200, 200 + channels))
    found = Range(low, high, clip=False)(images.permute(0, 3, 1, 2))
    expected = (images.numpy().astype(np.float64) - low) / (np.array(high) - low)
    np.testing.assert_allclose(found.permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)


def test_of_many_channels_the_first_are_listed():
    assert listed((0.5, 0.25)) == "0.5000 0.2500"
    text = listed((1.0,) * 13, 1)
    assert text.split()[:SHOWN] == ["1.0"] * SHOWN and text.endswith("... (13 channels)")


def test_numbers_are_said():
    assert Affine((0.4913, 0.5), (0.25, 1.0)).described() == "mean 0.4913 0.5000, std 0.2500 1.0000"
    assert Range((10.0,), (30.0,), True).described() == "10.00 to 30.00 becomes 0 to 1, clipped"
    assert Range((10.0,), (30.0,), False).described() == "10.00 to 30.00 becomes 0 to 1"
