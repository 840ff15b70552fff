"""Erasing against torchvision's RandomErasing, cutout against its definition."""

import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms.v2 import RandomErasing

from cvrun.augment import _erase

AREA, RATIO = (0.02, 0.33), (0.3, 3.3)


def boxes_of(changed: torch.Tensor) -> torch.Tensor:
    """Top, left, height and width of what is True in each of (B, H, W), which must be a rectangle."""
    found = []
    for one in changed:
        rows, columns = one.any(dim=1).nonzero()[:, 0], one.any(dim=0).nonzero()[:, 0]
        if len(rows) == 0:
            found.append([0, 0, 0, 0])
            continue
        box = [int(rows[0]), int(columns[0]), len(rows), len(columns)]
        assert one.sum() == box[2] * box[3]
        found.append(box)
    return torch.tensor(found)


def white(num: int, height: int, width: int) -> torch.Tensor:
    return torch.full((num, 1, height, width), 255, dtype=torch.uint8)


@pytest.mark.parametrize("size", [(32, 32), (20, 60)], ids=str)
def test_rectangles_are_distributed_as_torchvisions(keys_of, size):
    num = 1200
    got = _erase.erasing(white(num, *size), keys_of(num), 1.0, AREA, RATIO, "zeros")
    boxes = boxes_of(got[:, 0] == 0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = [RandomErasing(1.0).make_params([white(1, *size)[0]]) for _ in range(num)]
    wanted = torch.tensor([[box[name] for name in "ijhw"] if box["v"] is not None else [0] * 4 for box in drawn])
    for column in range(4):
        assert ks_2samp(boxes[:, column].numpy(), wanted[:, column].numpy()).pvalue > 1e-3


def test_one_in_four_is_erased(keys_of):
    got = _erase.erasing(white(10_000, 8, 8), keys_of(10_000), 0.25, (0.1, 0.3), RATIO, "zeros")
    # Five standard errors.
    assert (got == 0).flatten(1).any(dim=1).float().mean().item() == pytest.approx(0.25, abs=0.022)


def test_a_rectangle_that_cannot_fit_erases_nothing(keys_of):
    images = white(20, 8, 8)
    assert torch.equal(_erase.erasing(images, keys_of(20), 1.0, (1.0, 1.0), (1.0, 1.0), "zeros"), images)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("filling", _erase.FILLS)
def test_what_stands_there(pictures, keys_of, dtype, filling):
    images, keys = pictures(40).to(dtype) // 2, keys_of(40)
    where = _erase.erasing(white(40, 19, 26), keys, 1.0, AREA, RATIO, "zeros") == 0
    got = _erase.erasing(images, keys, 1.0, AREA, RATIO, filling)
    assert got.dtype == dtype
    inside = where.expand_as(images)
    assert torch.equal(got[~inside], images[~inside])
    if filling == "zeros":
        assert (got[inside] == 0).all()
    elif filling == "mean":
        mean = images.double().mean(dim=(2, 3), keepdim=True).expand_as(images)
        torch.testing.assert_close(
            got[inside].double(), mean[inside], rtol=0, atol=0.51 if dtype.is_signed is False else 1e-4
        )
    else:
        values = got[inside].double()
        # Uniform whole levels: mean 127.5, standard deviation 73.9; five standard errors.
        assert values.mean().item() == pytest.approx(127.5, abs=5 * 73.9 / len(values) ** 0.5)
        assert values.std().item() == pytest.approx(73.9, abs=3)
        assert values.min() == 0 and values.max() == 255 and (values == values.floor()).all()


def test_noise_differs_between_samples_and_channels(keys_of):
    grey = torch.full((2, 3, 30, 30), 128, dtype=torch.uint8)
    got = _erase.cutout(grey, keys_of(2), 60, "noise")
    assert not torch.equal(got[0], got[1])
    assert not torch.equal(got[:, 0], got[:, 1])


@pytest.mark.parametrize("side", [6, 7])
def test_cutout_is_a_square_about_a_uniform_center_clipped(keys_of, side):
    num, height, width = 8000, 12, 15
    boxes = boxes_of(_erase.cutout(white(num, height, width), keys_of(num), side, "zeros")[:, 0] == 0)
    centers = set()
    for y in range(height):
        for x in range(width):
            top, left = max(0, y - side // 2), max(0, x - side // 2)
            bottom, right = min(height, y - side // 2 + side), min(width, x - side // 2 + side)
            centers.add((top, left, bottom - top, right - left))
    assert set(map(tuple, boxes.tolist())) == centers
    inner = (boxes[:, 2] == side) & (boxes[:, 3] == side)
    share = (height - side + 1) * (width - side + 1) / (height * width)
    # Five standard errors.
    assert inner.float().mean().item() == pytest.approx(share, abs=5 * (share * (1 - share) / num) ** 0.5)
