"""Resizing inside an exported model gives what Pillow gives."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cvrun.data import ImageForm
from cvrun.export import Brought, Exported
from cvrun.normalize._affine import Affine

SHAPES = [(57, 83), (31, 140), (90, 41), (16, 16), (200, 200), (10, 9), (1, 7), (33, 32), (15, 16)]


def by_pillow(pixels, size, fit):
    """What the documentation of each fit says, with Pillow alone; uint8 (size, size)."""
    image = Image.fromarray(pixels)
    width, height = image.size
    if fit == "stretch":
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box))
    inner = [max(round(side * (size / max(width, height))), 1) for side in (width, height)]
    result = np.zeros((size, size), np.uint8)
    top, left = (size - inner[1]) // 2, (size - inner[0]) // 2
    part = np.asarray(image.resize(tuple(inner), Image.Resampling.BILINEAR))
    result[top : top + inner[1], left : left + inner[0]] = part
    return result


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_are_brought_into_the_form_as_pillow_does_to_one_level(fit, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = Brought(ImageForm(16, 1, fit))(torch.from_numpy(pixels)[None, None])
    assert found.dtype == torch.float32 and found.shape == (1, 1, 16, 16)
    apart = np.abs(found[0, 0].numpy() - by_pillow(pixels, 16, fit).astype(np.float32))
    assert apart.max() <= 1
    assert shape != (16, 16) or apart.max() == 0


def test_the_border_of_pad_is_black_and_nothing_else_is():
    found = Brought(ImageForm(8, 1, "pad"))(torch.full((1, 1, 4, 16), 255, dtype=torch.uint8))[0, 0]
    assert found[:3].eq(0).all() and found[5:].eq(0).all() and found[3:5].eq(255).all()


def test_normalization_shift_and_softmax_are_inside():
    class Mean(nn.Module):
        def forward(self, image):
            return torch.stack([image.mean((1, 2, 3)), torch.zeros(len(image))], dim=1)

    module = Exported(Mean(), ImageForm(4, 1, "stretch"), Affine((0.5,), (0.25,)), (1.0, -1.0))
    found = module(torch.full((2, 1, 9, 7), 255, dtype=torch.uint8))
    # (1 - 0.5) / 0.25 = 2, shifted to 3 and -1.
    want = 1 / (1 + np.exp(-4.0))
    assert found.tolist() == [pytest.approx([want, 1 - want], abs=1e-6)] * 2
