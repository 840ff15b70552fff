"""Every YAML file of the group builds a normalization that keeps the group's contract."""

from pathlib import Path

import pytest
import torch
import yaml

from cvrun.normalize import Affine, Source
from cvrun.options import load
from cvrun.typed import to_dataclass

FILES = sorted((Path(__file__).parents[2] / "configs" / "normalize").glob("*.yaml"))


@pytest.fixture(params=[1, 3], ids=["grey", "rgb"])
def images(request, tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path))
    return torch.randint(0, 256, (20, 6, 6, request.param), generator=torch.Generator().manual_seed(0)).byte()


def build(path: Path, images: torch.Tensor) -> Affine:
    values = yaml.safe_load(path.read_text())
    module = load("normalize", values.pop("option"))
    source = Source(images.shape[-1], lambda: images, lambda: f"{images.shape[-1]}", ((0.5,) * 3, (0.25,) * 3))
    return module.build(to_dataclass(module.Config, values, "normalize"), source)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_result_is_finite_float32_of_the_same_shape(path, images):
    image = images.permute(0, 3, 1, 2)
    for given in (image, image.float()):
        got = build(path, images)(given)
        assert got.dtype == torch.float32
        assert got.shape == image.shape
        assert got.isfinite().all()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_state_makes_the_round_trip(path, images):
    affine = build(path, images)
    again = Affine.from_state(affine.state())
    assert again == affine
    assert torch.equal(again(images.permute(0, 3, 1, 2)), affine(images.permute(0, 3, 1, 2)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_brighter_pixels_stay_brighter(path, images):
    values = torch.arange(256, dtype=torch.uint8)[:, None, None, None].expand(-1, images.shape[-1], 1, 1)
    assert (build(path, images)(values).diff(dim=0) > 0).all()


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
