"""Every YAML file of the group builds a sampler that keeps the group's contract."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from cvrun.errors import ConfigError
from cvrun.options import load, module_names
from cvrun.sampler import Shown
from cvrun.typed import to_dataclass

FILES = sorted((Path(__file__).parents[2] / "configs" / "sampler").glob("*.yaml"))
# 30 images of class 0, 20 of class 1, 10 of class 2, in no order.
SHOWN = Shown(np.random.default_rng(0).permutation(np.repeat(np.arange(3), [30, 20, 10])), 3)


def option(path: Path):
    values = yaml.safe_load(path.read_text())
    module = load("sampler", values.pop("option"))
    return module, to_dataclass(module.Config, values, "sampler")


def build(path: Path, seed: int):
    module, config = option(path)
    return module.build(config, SHOWN, seed)


def test_every_module_has_a_yaml():
    assert {option(path)[0].__name__.rpartition(".")[2] for path in FILES} == set(module_names("sampler"))


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
def test_order_holds_as_many_positions_as_it_says(path):
    module, config = option(path)
    order = build(path, 0)(0)
    assert order.dtype == torch.int64
    assert order.shape == (module.images_per_epoch(config, SHOWN.counts),)
    assert int(order.min()) >= 0 and int(order.max()) < 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_orders_have_the_shares_that_are_expected(path):
    module, config = option(path)
    order = build(path, 3)
    drawn = np.concatenate([SHOWN.labels[order(epoch).numpy()] for epoch in range(200)])
    found, expected = np.bincount(drawn, minlength=3) / len(drawn), module.shares(config, SHOWN)
    assert expected.dtype == np.float64 and expected.sum() == pytest.approx(1)
    # Five standard errors of a share in independent draws, which is more than that of any other way.
    assert np.abs(found - expected).max() < 5 * (0.25 / len(drawn)) ** 0.5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_weights_that_are_not_drawn_by_are_refused(path):
    module, config = option(path)
    weighted = Shown(SHOWN.labels, 3, np.ones(60))
    with pytest.raises(ConfigError, match="^data.weight_column: the data has weights, expected sampler=weighted"):
        module.shares(config, weighted)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_single_image_of_a_single_class_is_shown(path):
    module, config = option(path)
    one = Shown(np.zeros(1, dtype=np.int64), 1)
    assert module.build(config, one, 0)(5).tolist() == [0]
    assert module.shares(config, one).tolist() == [1.0]
