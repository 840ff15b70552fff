import numpy as np
import pytest
import torch

from cvrun.sampler._turns import members, shuffled, turn

TEN = torch.arange(100, 110)


def test_members_are_the_positions_of_each_class():
    found = members(np.array([2, 0, 2, 0, 0]), 4)
    assert [part.tolist() for part in found] == [[1, 3, 4], [], [0, 2], []]


@pytest.mark.parametrize(("size", "epochs"), [(1, 10), (3, 3), (5, 2), (7, 1)])
def test_nobody_comes_twice_within_a_round(size, epochs):
    for number in range(4):
        taken = torch.cat([turn(TEN, size, number * epochs + at, 0, "turn") for at in range(epochs)])
        assert len(taken) == size * epochs == len(taken.unique())
        assert set(taken.tolist()) <= set(TEN.tolist())


def test_a_round_has_an_order_of_its_own():
    rounds = [torch.cat([turn(TEN, 5, 2 * number + at, 0, "turn") for at in range(2)]) for number in range(3)]
    assert len({tuple(order.tolist()) for order in rounds}) == 3


def test_all_or_none_need_no_draw():
    assert torch.equal(turn(TEN, 10, 3, 0), TEN)
    assert len(turn(TEN, 0, 3, 0)) == 0


def test_an_order_holds_all_positions():
    found = shuffled([TEN, torch.arange(50)], seed=0, epoch=2)
    assert sorted(found.tolist()) == [*range(50), *range(100, 110)]
    assert not torch.equal(found, shuffled([TEN, torch.arange(50)], seed=0, epoch=3))
