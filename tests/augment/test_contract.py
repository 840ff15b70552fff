"""Every YAML file of the group builds an augmentation that keeps the group's contract."""

from pathlib import Path

import pytest
import torch
import yaml

from cvrun.errors import ConfigError
from cvrun.options import load
from cvrun.pipeline import Batch
from cvrun.rng import key, sample_keys
from cvrun.typed import to_dataclass

FILES = sorted((Path(__file__).parents[2] / "configs" / "augment").glob("*.yaml"))
INDEX = torch.arange(12)
KEYS = sample_keys(key(3, "augment", 0), INDEX, torch.zeros_like(INDEX))


def build(path: Path):
    values = yaml.safe_load(path.read_text())
    module = load("augment", values.pop("option"))
    return module.build(to_dataclass(module.Config, values, "augment"), 10)


def batch(channels: int, height: int = 10, width: int = 13) -> Batch:
    image = torch.randint(0, 256, (12, height, width, channels), generator=torch.Generator().manual_seed(0))
    return Batch(image.to(torch.uint8).permute(0, 3, 1, 2), INDEX % 3, INDEX)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shape_dtype_and_range(path, channels):
    given = batch(channels)
    before = given.image.clone()
    got = build(path).change(given, KEYS)
    assert got.image.shape == given.image.shape
    assert got.image.dtype in (torch.uint8, torch.float32)
    assert got.image.min() >= 0 and got.image.max() <= 255
    assert torch.equal(got.index, INDEX) and torch.equal(given.image, before)
    if mixes(got):
        assert got.target.dtype == torch.float32 and got.target.shape == (12, 10)
        torch.testing.assert_close(got.target.sum(dim=1), torch.ones(12))
    else:
        assert torch.equal(got.target, INDEX % 3)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_memory_format_stays(path):
    """What the model gets is dense, a pixel's channels side by side."""
    assert build(path).change(batch(3), KEYS).image.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_sample_depends_on_its_key_alone_and_on_who_stands_opposite(path):
    augment, given = build(path).change, batch(3)
    whole = augment(given, KEYS)
    turned = INDEX.flip(0)
    backwards = augment(Batch(given.image[turned], given.target[turned], turned), KEYS[turned])
    assert torch.equal(backwards.image[turned], whole.image)
    assert torch.equal(backwards.target[turned], whole.target)
    for i in range(6):
        members = torch.tensor([i, 11 - i]) if mixes(whole) else torch.tensor([i])
        part = augment(Batch(given.image[members], given.target[members], members), KEYS[members])
        assert torch.equal(part.image, whole.image[members])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_masks_are_moved_or_refused(path):
    augment, given = build(path).change, batch(1)
    masks = Batch(given.image, given.image[:, 0].long(), INDEX)
    if mixes(augment(given, KEYS)):
        with pytest.raises(ConfigError, match="masks as targets cannot be mixed"):
            augment(masks, KEYS)
        return
    got = augment(masks, KEYS)
    assert got.target.dtype == torch.int64 and got.target.shape == masks.target.shape
    # What a mask shows, it showed before, or it came in from outside as class 0.
    for i in range(12):
        assert set(got.target[i].unique().tolist()) <= {0, *masks.target[i].unique().tolist()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_regions_lie_inside(path):
    augment = build(path)
    if augment.region is None:
        assert augment.side == 0
        return
    sizes = torch.tensor([[1, 1], [300, 20], [20, 300], [64, 64]]).repeat(3, 1)
    boxes = augment.region(sizes, KEYS)
    assert augment.side >= 0 and boxes.shape == (12, 4) and boxes.dtype == torch.int64
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] > 0).all() and (boxes[:, :2] + boxes[:, 2:] <= sizes).all()


def mixes(result: Batch) -> bool:
    return result.target.ndim == 2
