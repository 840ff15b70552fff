import numpy as np
import torch

from cvrun.sampler import natural

LABELS = np.zeros(1000, dtype=np.int64)


def test_every_epoch_is_a_permutation():
    order = natural.build(natural.Config(), LABELS, 1, 0)
    for epoch in (0, 1, 50):
        assert torch.equal(order(epoch).sort().values, torch.arange(1000))


def test_orders_differ_between_epochs_and_seeds():
    first, second = (natural.build(natural.Config(), LABELS, 1, seed) for seed in (0, 1))
    assert not torch.equal(first(0), first(1))
    assert not torch.equal(first(0), second(0))


def test_a_single_image_is_shown_each_epoch():
    assert natural.build(natural.Config(), LABELS[:1], 1, 0)(3).tolist() == [0]


def test_every_image_is_equally_likely_to_come_first():
    order = natural.build(natural.Config(), LABELS[:4], 1, 0)
    first = torch.stack([order(epoch) for epoch in range(2000)])[:, 0]
    share = torch.bincount(first, minlength=4) / 2000
    # Five standard errors of a share of 1/4 in 2000 draws.
    assert (share - 0.25).abs().max() < 5 * (0.25 * 0.75 / 2000) ** 0.5
