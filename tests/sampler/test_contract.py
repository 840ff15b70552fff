"""Every YAML file of the group builds a sampler that keeps the group's contract."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from cvrun.options import load
from cvrun.typed import to_dataclass

FILES = sorted((Path(__file__).parents[2] / "configs" / "sampler").glob("*.yaml"))
LABELS = np.arange(60, dtype=np.int64) % 3


def build(path: Path, seed: int):
    values = yaml.safe_load(path.read_text())
    module = load("sampler", values.pop("option"))
    return module.build(to_dataclass(module.Config, values, "sampler"), LABELS, 3, seed)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_order_is_a_pure_function_of_seed_and_epoch(path):
    forward, backward = build(path, 7), build(path, 7)
    orders = [forward(epoch) for epoch in range(4)]
    torch.manual_seed(123)
    again = [backward(epoch) for epoch in reversed(range(4))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(orders, again, strict=True))
    assert len({tuple(order.tolist()) for order in orders}) == 4
    assert not torch.equal(build(path, 8)(0), orders[0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_order_holds_as_many_positions_as_images(path):
    order = build(path, 0)(0)
    assert order.dtype == torch.int64
    assert order.shape == (60,)
    assert int(order.min()) >= 0 and int(order.max()) < 60
