import hashlib

import numpy as np
import pytest
import torch

from cvrun.rng import generator
from cvrun.sampler import Shown, natural

SHOWN = Shown(np.zeros(1000, dtype=np.int64), 1)


def test_every_epoch_is_a_permutation():
    order = natural.build(natural.Config(), SHOWN, 0)
    for epoch in (0, 1, 50):
        assert torch.equal(order(epoch).sort().values, torch.arange(1000))


def test_orders_differ_between_epochs_and_seeds():
    first, second = (natural.build(natural.Config(), SHOWN, seed) for seed in (0, 1))
    assert not torch.equal(first(0), first(1))
    assert not torch.equal(first(0), second(0))


def test_orders_are_those_of_earlier_runs():
    order = natural.build(natural.Config(), SHOWN, 7)
    for epoch in (0, 30):
        assert torch.equal(order(epoch), torch.randperm(1000, generator=generator(7, "shuffle", epoch)))
    content = b"".join(order(epoch).numpy().tobytes() for epoch in (0, 1, 30))
    # Of cvrun at 64fcf9c.
    assert hashlib.sha256(content).hexdigest()[:16] == "955c3ba3c38b8966"


def test_a_single_image_is_shown_each_epoch():
    assert natural.build(natural.Config(), Shown(SHOWN.labels[:1], 1), 0)(3).tolist() == [0]


def test_every_image_is_equally_likely_to_come_first():
    order = natural.build(natural.Config(), Shown(SHOWN.labels[:4], 1), 0)
    first = torch.stack([order(epoch) for epoch in range(2000)])[:, 0]
    share = torch.bincount(first, minlength=4) / 2000
    # Five standard errors of a share of 1/4 in 2000 draws.
    assert (share - 0.25).abs().max() < 5 * (0.25 * 0.75 / 2000) ** 0.5


def test_shares_are_those_of_the_images():
    shown = Shown(np.repeat([0, 1], [3, 1]), 2)
    assert natural.shares(natural.Config(), shown).tolist() == [0.75, 0.25]
    assert natural.images_per_epoch(natural.Config(), shown.counts) == 4
    assert natural.shares(natural.Config(), Shown(shown.labels, 3)).tolist()[2] == pytest.approx(0)
