"""What a GPU makes of a region is what the CPU makes of it, but for a level; noise is the worst that can come."""

import numpy as np
import pytest
import torch

from cvrun.pipeline import regions_near
from cvrun.pipeline.region import Regions
from cvrun.pipeline.regions_near import RegionsNear, weights, with_spare
from cvrun.pipeline.store import Ragged, offsets_of
from cvrun.rng import sample_keys, uniform

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def ragged(num: int, channels: int) -> Ragged:
    draw = np.random.default_rng(0)
    sizes = torch.from_numpy(draw.integers(3, 60, (num, 2)))
    pixels = torch.from_numpy(draw.integers(0, 256, int(sizes.prod(dim=1).sum()) * channels, dtype=np.uint8))
    return Ragged(pixels, sizes, offsets_of(sizes, channels), channels, torch.arange(num) % 2, torch.arange(num))


def some_box(sizes: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    draw = uniform(keys, 4, "box").double()
    extent = (draw[:, :2] * sizes).long() + 1
    start = (draw[:, 2:] * (sizes - extent + 1)).long()
    return torch.cat([start, extent], dim=1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [1, 7, 24, 100])
def test_close_to_the_cpu(device, there, channels, size):
    images, device = ragged(50, channels), torch.device(device)
    pixels = with_spare(images, device) if there else None
    near = RegionsNear(images, pixels, some_box, size, device)
    rows = torch.randperm(50, generator=torch.Generator().manual_seed(1))[:40]
    keys = sample_keys(5, rows, torch.zeros_like(rows))
    found = near.take(rows, keys)
    assert found.device.type == device.type and found.dtype == torch.uint8
    expected = Regions(images, some_box, size).take(rows, keys)
    difference = (found.cpu().int() - expected.int()).abs()
    # Where many pixels become one, 16-bit weights show in every fifth level.
    differ = 0.3 if device.type == "cuda" else 0.1
    assert difference.max() <= 2 and (difference > 0).float().mean() < differ
    assert (difference > 1).float().mean() < 0.001
    assert (len(near), near.slow, near.targets.tolist()) == (50, False, [0, 1] * 25)


@pytest.mark.parametrize("device", DEVICES)
def test_a_region_depends_on_its_key_and_image_alone(device):
    """Also where others in the batch are larger; a matrix product of another shape may round at the last bit."""
    images = ragged(30, 3)
    near = RegionsNear(images, None, some_box, 16, torch.device(device))
    rows = torch.arange(30)
    keys = sample_keys(5, rows, torch.zeros_like(rows))
    whole = near.take(rows, keys)
    for row in (0, 7, 29):
        alone = near.take(rows[row : row + 1], keys[row : row + 1])[0]
        assert (alone.int() - whole[row].int()).abs().max() <= 1


def test_large_boxes_are_resized_in_groups(monkeypatch):
    images = ragged(30, 3)
    near = RegionsNear(images, None, some_box, 16, torch.device("cpu"))
    rows = torch.arange(30)
    keys = sample_keys(5, rows, torch.zeros_like(rows))
    whole = near.take(rows, keys)
    monkeypatch.setattr(regions_near, "_AT_ONCE", 64 * 64 * 3 * 4)
    assert (near.take(rows, keys).int() - whole.int()).abs().max() <= 1


def test_weights_add_up_and_are_those_of_torch():
    lengths = torch.tensor([3, 8, 20, 57])
    found = weights(lengths, lengths, 8, torch.float32)
    assert found.shape == (4, 8, 64)
    torch.testing.assert_close(found.sum(dim=2), torch.ones(4, 8))
    for row, length in enumerate(lengths.tolist()):
        assert not found[row, :, length:].any()
        line = torch.eye(length, dtype=torch.float64)[:, None, None, :]
        expected = torch.nn.functional.interpolate(line, (1, 8), mode="bilinear", antialias=True)[:, 0, 0]
        torch.testing.assert_close(found[row, :, :length].double(), expected.T, atol=1e-6, rtol=1e-5)
