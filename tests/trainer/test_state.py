import math

import pytest
import torch

from cvrun.errors import DivergedError
from cvrun.trainer.state import LossMean


def test_the_mean_weighs_by_images():
    mean = LossMean()
    mean.add(torch.tensor(1.0), 30)
    mean.add(torch.tensor(4.0), 10)
    assert mean.value(2) == pytest.approx((30 + 40) / 40)


def test_small_losses_are_not_lost_beside_a_large_sum():
    mean = LossMean()
    mean.add(torch.tensor(1e8), 1)
    for _ in range(1000):
        mean.add(torch.tensor(1e-3), 1)
    assert mean.total.item() == pytest.approx(1e8 + 1, abs=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_the_run(bad):
    mean = LossMean()
    mean.add(torch.tensor(0.5), 8)
    mean.add(torch.tensor(bad), 8)
    with pytest.raises(DivergedError, match="at or before step 7") as caught:
        mean.value(7)
    assert caught.value.exit_code == 5


def test_it_survives_a_round_trip():
    mean, other = LossMean(), LossMean()
    mean.add(torch.tensor(0.3), 7)
    other.load_state_dict(mean.state_dict())
    other.add(torch.tensor(0.5), 1)
    mean.add(torch.tensor(0.5), 1)
    assert mean.value(2) == other.value(2)


def test_no_images_have_no_infinite_mean():
    assert LossMean().value(0) == 0.0
