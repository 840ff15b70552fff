import math

import pytest
import torch
from ranks_kit import on_ranks

from cvrun.trainer.state import LossMean


def test_the_mean_weighs_by_images():
    mean = LossMean()
    mean.add(torch.tensor(1.0), 30, 0)
    mean.add(torch.tensor(4.0), 10, 0)
    assert mean.value() == pytest.approx((30 + 40) / 40)


def test_small_losses_are_not_lost_beside_a_large_sum():
    mean = LossMean()
    mean.add(torch.tensor(1e8), 1, 0)
    for _ in range(1000):
        mean.add(torch.tensor(1e-3), 1, 0)
    assert mean.total.item() == pytest.approx(1e8 + 1, abs=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_loss_that_is_not_finite_shows_in_the_mean(bad):
    mean = LossMean()
    mean.add(torch.tensor(0.5), 8, 3)
    assert math.isfinite(mean.value())
    mean.add(torch.tensor(bad), 8, 4)
    mean.add(torch.tensor(0.5), 8, 5)
    assert not math.isfinite(mean.value())


def test_on_a_cpu_no_step_is_to_blame_since_update_stops_before_it():
    mean = LossMean()
    mean.add(torch.tensor(math.nan), 8, 4)
    assert mean.first_bad is None


@pytest.mark.gpu
def test_on_another_device_the_first_update_to_blame_is_known():
    mean = LossMean()
    for step, value in enumerate([0.5, math.nan, 0.5, math.inf]):
        mean.add(torch.tensor(value, device="cuda"), 8, step)
    assert int(mean.first_bad) == 1


def test_it_survives_a_round_trip():
    mean, other = LossMean(), LossMean()
    mean.add(torch.tensor(0.3), 7, 0)
    other.load_state_dict(mean.state_dict())
    other.add(torch.tensor(0.5), 1, 0)
    mean.add(torch.tensor(0.5), 1, 0)
    assert mean.value() == other.value()


def test_no_images_have_no_infinite_mean():
    assert LossMean().value() == 0.0


def loss_of_two_ranks(together):
    """Shares of a mean of 2.0 over ten images, recorded twice."""
    mean = LossMean()
    mean.add(torch.tensor([0.5, 1.5][together.rank]), 10, 0)
    first = mean.value(together)
    saved = [float(mean.state_dict()["total"]), mean.num_images]
    mean.add(torch.tensor([1.0, 3.0][together.rank]), 10, 1)
    return [first, saved, mean.value(together)]


def test_two_ranks_have_the_mean_of_all_images_and_the_first_one_the_sum():
    assert on_ranks(loss_of_two_ranks) == [[2.0, [20.0, 10], 3.0], [2.0, [0.0, 10], 3.0]]
