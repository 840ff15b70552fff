"""Boxes against torchvision's RandomResizedCrop."""

import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms.v2 import RandomResizedCrop

from cvrun.augment import _region

SETTINGS = [
    ((32, 32), (0.08, 1.0), (3 / 4, 4 / 3)),
    ((180, 320), (0.08, 1.0), (3 / 4, 4 / 3)),
    ((480, 90), (0.5, 0.9), (3 / 4, 4 / 3)),
    ((7, 300), (0.2, 0.6), (0.4, 0.6)),
]
NUM = 1500


def reference(height: int, width: int, area, ratio) -> torch.Tensor:
    crop = RandomResizedCrop(8, scale=area, ratio=ratio)
    image = torch.zeros(1, height, width, dtype=torch.uint8)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = [crop.make_params([image]) for _ in range(NUM)]
    return torch.tensor([[box[name] for name in ("top", "left", "height", "width")] for box in drawn])


@pytest.mark.parametrize(("size", "area", "ratio"), SETTINGS, ids=str)
def test_boxes_are_distributed_as_torchvisions(keys_of, size, area, ratio):
    sizes = torch.tensor([size]).expand(NUM, 2)
    boxes, wanted = _region.resized_crop(area, ratio)(sizes, keys_of(NUM)), reference(*size, area, ratio)
    assert boxes.dtype == torch.int64 and boxes.shape == (NUM, 4)
    for column in range(4):
        assert ks_2samp(boxes[:, column].numpy(), wanted[:, column].numpy()).pvalue > 1e-3
    for function in (lambda b: b[:, 2] * b[:, 3], lambda b: b[:, 3] / b[:, 2]):
        assert ks_2samp(function(boxes).numpy(), function(wanted).numpy()).pvalue > 1e-3


def test_boxes_lie_inside_and_hold_a_pixel(keys_of):
    generator = torch.Generator().manual_seed(0)
    sizes = torch.randint(1, 400, (5000, 2), generator=generator)
    sizes[:50] = torch.tensor([[1, 1]])
    sizes[50:100] = torch.tensor([[1, 500]])
    boxes = _region.resized_crop((0.001, 1.0), (0.1, 10.0))(sizes, keys_of(5000))
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] >= 1).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= sizes).all()


def test_a_box_depends_on_its_key_and_size_alone(keys_of):
    region, keys = _region.resized_crop((0.08, 1.0), (0.75, 4 / 3)), keys_of(9)
    sizes = torch.arange(18).view(9, 2) + 20
    whole = region(sizes, keys)
    assert torch.equal(torch.cat([region(sizes[i : i + 1], keys[i : i + 1]) for i in range(9)]), whole)
    assert not torch.equal(region(sizes, keys_of(9, epoch=1)), whole)


def test_no_box_fits_then_the_largest_central_one(keys_of):
    # Ratio 1 and the whole area: no box fits into what is not square (torchvision's fallback by hand).
    boxes = _region.resized_crop((1.0, 1.0), (1.0, 1.0))(torch.tensor([[10, 20], [30, 11], [8, 8]]), keys_of(3))
    assert boxes.tolist() == [[0, 5, 10, 10], [9, 0, 11, 11], [0, 0, 8, 8]]
