"""Flips and shifts: the way for CPUs against the gather, which test_ops.py compares with torchvision."""

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from cvrun.augment import _ops, _shift

NUM = 60


@pytest.fixture
def moves():
    """Corners within reach of a padding, and flips."""

    def draw(padding: int):
        generator = torch.Generator().manual_seed(2)
        corner = torch.randint(-padding, padding + 1, (NUM, 2), generator=generator)
        vflip, hflip = (torch.rand(NUM, generator=generator) < 0.5 for _ in range(2))
        return corner, vflip, hflip

    return draw


@pytest.mark.parametrize("mode", _ops.PADDING_MODES)
@pytest.mark.parametrize("padding", [0, 4, 30, 70])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_both_ways_agree(pictures, moves, mode, padding, dtype, layout):
    images = pictures(NUM).to(dtype).contiguous(memory_format=layout)
    before, (corner, vflip, hflip) = images.clone(), moves(padding)
    got = _shift.shift(images, corner, vflip, hflip, padding, mode, 7)
    rows, columns = _ops.positions(corner[:, 0], vflip, 19), _ops.positions(corner[:, 1], hflip, 26)
    assert got.dtype == dtype and got.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(got, _ops.window(images, rows, columns, mode, 7))
    assert torch.equal(images, before)


@pytest.mark.parametrize("mode", _ops.PADDING_MODES)
def test_pad_crop_and_flip_of_torchvision(pictures, moves, mode):
    images, (corner, vflip, hflip) = pictures(NUM), moves(6)
    got = _shift.shift(images, corner, vflip, hflip, 6, mode, 99)
    for i in range(NUM):
        padded = reference.pad(images[i], [6] * 4, fill=99, padding_mode={"zeros": "constant"}.get(mode, mode))
        wanted = reference.crop(padded, int(corner[i, 0]) + 6, int(corner[i, 1]) + 6, 19, 26)
        wanted = reference.vertical_flip(wanted) if vflip[i] else wanted
        assert torch.equal(got[i], reference.horizontal_flip(wanted) if hflip[i] else wanted)


def test_a_mask_is_moved_as_an_image(pictures, moves):
    images = pictures(NUM, 1)
    got = _shift.shift(images[:, 0].long(), *moves(5), 5, "zeros", 255)
    assert got.dtype == torch.int64
    assert torch.equal(got, _shift.shift(images, *moves(5), 5, "zeros", 255)[:, 0].long())


def test_a_single_image(pictures):
    image, yes = pictures(1), torch.ones(1, dtype=torch.bool)
    assert torch.equal(_shift.shift(image, torch.zeros(1, 2).long(), yes, yes, 0, "zeros"), image.flip(2, 3))
