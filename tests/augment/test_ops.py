"""Every operation against torchvision.transforms.v2.functional, one image at a time."""

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from cvrun.augment import _ops

PADDING_NAMES = {"zeros": "constant", "reflect": "reflect", "edge": "edge"}

# Float32 on the scale [0, 255]: rounding of single operations; a wrong formula is off by whole units.
TOLERANCE = 2e-3


def pictures(num: int, channels: int, dtype: torch.dtype, seed: int = 0) -> torch.Tensor:
    """Random images as the pipeline gives them: (B, C, H, W) views of (B, H, W, C) memory."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (num, 9, 12, channels), dtype=torch.uint8, generator=generator)
    return images.permute(0, 3, 1, 2).to(dtype)


def numbers(num: int, low: float, high: float, seed: int = 1) -> torch.Tensor:
    return low + (high - low) * torch.rand(num, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("mode", _ops.PADDING_MODES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_window_is_pad_crop_and_flip(mode, dtype, channels):
    images = pictures(60, channels, dtype)
    generator = torch.Generator().manual_seed(2)
    top, left = (torch.randint(-4, 5, (60,), generator=generator) for _ in range(2))
    vertical, horizontal = (torch.rand(60, generator=generator) < 0.5 for _ in range(2))
    rows, columns = _ops.positions(top, vertical, 9), _ops.positions(left, horizontal, 12)
    got = _ops.window(images, rows, columns, mode)
    assert got.dtype == dtype
    for i in range(60):
        padded = reference.pad(images[i], [4, 4, 4, 4], fill=0, padding_mode=PADDING_NAMES[mode])
        expected = reference.crop(padded, int(top[i]) + 4, int(left[i]) + 4, 9, 12)
        expected = reference.vertical_flip(expected) if vertical[i] else expected
        expected = reference.horizontal_flip(expected) if horizontal[i] else expected
        assert torch.equal(got[i], expected)


def test_window_of_masks_is_that_of_the_image():
    images = pictures(20, 1, torch.uint8)
    start = torch.arange(20) % 7 - 3
    rows, columns = _ops.positions(start, start > 0, 9), _ops.positions(-start, start < 0, 12)
    mask = _ops.window(images[:, 0].long(), rows, columns, "zeros")
    assert mask.dtype == torch.int64
    assert torch.equal(mask, _ops.window(images, rows, columns, "zeros")[:, 0].long())


def test_window_keeps_the_memory_format():
    images = pictures(4, 3, torch.uint8)
    start = torch.zeros(4, dtype=torch.int64)
    rows, columns = (_ops.positions(start, start > 0, length) for length in (9, 12))
    got = _ops.window(images, rows, columns, "zeros")
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(got, images)


@pytest.mark.parametrize("operation", [_ops.brightness, _ops.contrast, _ops.saturation, _ops.hue])
def test_colour_keeps_the_memory_format(operation):
    got = operation(pictures(4, 3, torch.float32), torch.full((4,), 0.4))
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_reflection_goes_on_beyond_one_image():
    # numpy.pad([0, 1, 2], 5, "reflect") = 1 0 1 2 1 | 0 1 2 | 1 0 1 2 1
    row = torch.tensor([[[[0, 1, 2]]]], dtype=torch.uint8)
    columns = torch.arange(-5, 8)[None]
    got = _ops.window(row, torch.zeros(1, 1, dtype=torch.int64), columns, "reflect")
    assert got.flatten().tolist() == [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (_ops.brightness, reference.adjust_brightness),
        (_ops.contrast, reference.adjust_contrast),
        (_ops.saturation, reference.adjust_saturation),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_factors(operation, expected, channels):
    images, factors = pictures(60, channels, torch.float32), numbers(60, 0.0, 3.0)
    got = operation(images, factors)
    for i in range(60):
        wanted = 255 * expected(images[i] / 255, float(factors[i]))
        torch.testing.assert_close(got[i], wanted, rtol=0, atol=TOLERANCE)


def test_hue():
    images, shifts = pictures(60, 3, torch.float32), numbers(60, -0.5, 0.5)
    got = _ops.hue(images, shifts)
    for i in range(60):
        wanted = 255 * reference.adjust_hue(images[i] / 255, float(shifts[i]))
        torch.testing.assert_close(got[i], wanted, rtol=0, atol=TOLERANCE)


def test_hue_by_a_third_turns_red_into_green():
    red = torch.tensor([255.0, 0.0, 0.0])[None, :, None, None]
    got = _ops.hue(red, torch.tensor([1 / 3]))
    torch.testing.assert_close(got.flatten(), torch.tensor([0.0, 255.0, 0.0]), rtol=0, atol=TOLERANCE)


def test_hue_leaves_grey_pixels_and_grey_images():
    grey_pixels = torch.full((2, 3, 4, 4), 77.0)
    assert torch.equal(_ops.hue(grey_pixels, torch.tensor([0.3, -0.2])), grey_pixels)
    grey_images = pictures(2, 1, torch.float32)
    assert _ops.hue(grey_images, torch.tensor([0.3, -0.2])) is grey_images


@pytest.mark.parametrize("operation", [_ops.brightness, _ops.contrast, _ops.saturation])
def test_factor_one_changes_nothing(operation):
    images = pictures(3, 3, torch.float32)
    torch.testing.assert_close(operation(images, torch.ones(3)), images, rtol=0, atol=1e-4)
