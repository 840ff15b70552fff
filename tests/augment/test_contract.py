"""Every YAML file of the group builds an augmentation that keeps the group's contract."""

from pathlib import Path

import pytest
import torch
import yaml

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
    return module.build(to_dataclass(module.Config, values, "augment"), 10).change


def batch(channels: int) -> Batch:
    image = torch.randint(0, 256, (12, channels, 10, 10), generator=torch.Generator().manual_seed(0))
    return Batch(image.to(torch.uint8), INDEX % 3, INDEX)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shape_dtype_and_range(path, channels):
    given = batch(channels)
    got = build(path)(given, KEYS)
    assert got.image.shape == given.image.shape
    assert got.image.dtype in (torch.uint8, torch.float32)
    assert got.image.min() >= 0 and got.image.max() <= 255
    assert torch.equal(got.index, INDEX) and torch.equal(got.target, INDEX % 3)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_sample_depends_on_its_key_alone(path):
    augment, given = build(path), batch(3)
    whole = augment(given, KEYS).image
    turned = INDEX.flip(0)
    backwards = augment(Batch(given.image[turned], given.target[turned], turned), KEYS[turned]).image
    assert torch.equal(backwards[turned], whole)
