"""Regions are cut out and resized as torchvision does, and follow from the key alone."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from cvrun.pipeline.region import Regions, resized_crop
from cvrun.pipeline.store import Ragged, offsets_of
from cvrun.rng import sample_keys, uniform

DRAW = np.random.default_rng(0)


def ragged(num: int, channels: int = 3) -> Ragged:
    images = [DRAW.integers(0, 256, (*DRAW.integers(5, 40, 2), channels), dtype=np.uint8) for _ in range(num)]
    sizes = torch.tensor([image.shape[:2] for image in images])
    pixels = torch.from_numpy(np.concatenate([image.ravel() for image in images]))
    return Ragged(pixels, sizes, offsets_of(sizes, channels), channels, torch.arange(num) % 2, torch.arange(num))


def some_box(sizes: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    draw = uniform(keys, 4, "box").double()
    extent = (draw[:, :2] * sizes).long() + 1
    start = (draw[:, 2:] * (sizes - extent + 1)).long()
    return torch.cat([start, extent], dim=1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [1, 7, 24, 224])
def test_equal_to_torchvision(channels, size):
    for _ in range(30):
        height, width = DRAW.integers(1, 60, 2)
        image = torch.from_numpy(DRAW.integers(0, 256, (height, width, channels), dtype=np.uint8))
        h, w = DRAW.integers(1, height + 1), DRAW.integers(1, width + 1)
        box = [int(DRAW.integers(0, height - h + 1)), int(DRAW.integers(0, width - w + 1)), int(h), int(w)]
        expected = functional.resized_crop(image.permute(2, 0, 1), *box, [size, size], antialias=True)
        assert np.array_equal(resized_crop(image, box, size), expected.permute(1, 2, 0).numpy())


def test_close_to_pillow():
    image = DRAW.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    part = Image.fromarray(image).crop((5, 10, 55, 40)).resize((24, 24), Image.Resampling.BILINEAR)
    found = resized_crop(torch.from_numpy(image), [10, 5, 30, 50], 24)
    assert np.abs(found.astype(int) - np.asarray(part)).max() <= 1


def test_a_region_depends_on_its_key_and_image_alone():
    images = ragged(12)
    regions = Regions(images, some_box, 16)
    keys = sample_keys(3, torch.arange(12), torch.zeros(12, dtype=torch.int64))
    whole = regions.take(torch.arange(12), keys)
    assert whole.shape == (12, 16, 16, 3) and whole.dtype == torch.uint8
    for rows in (torch.tensor([7]), torch.tensor([11, 0, 7])):
        assert torch.equal(regions.take(rows, keys[rows]), whole[rows])
    boxes = some_box(images.sizes, keys)
    expected = [resized_crop(images.at(row), boxes[row].tolist(), 16) for row in range(12)]
    assert np.array_equal(whole.numpy(), np.stack(expected))
    other = regions.take(torch.arange(12), keys + 1)
    assert not torch.equal(other, whole)
    assert (len(regions), regions.slow, regions.targets.tolist()) == (12, True, [0, 1] * 6)


def test_what_is_stored_stays_as_it_is():
    images = ragged(3)
    before = images.pixels.clone()
    whole = Regions(images, lambda sizes, keys: torch.cat([torch.zeros_like(sizes), sizes], dim=1), 8)
    whole.take(torch.arange(3), torch.zeros(3, dtype=torch.int64)).zero_()
    assert torch.equal(images.pixels, before)
