import math

import pytest
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR

from cvrun.errors import RuleError
from cvrun.scheduler import Span
from cvrun.scheduler.cosine import Config, build


def test_quarters_of_the_way() -> None:
    schedule = build(Config(0.0, "0st", 0.0), Span(101, 0, 10, 0.1))
    expected = [0.1, 0.085355, 0.05, 0.014645, 0.0]
    assert [schedule.lr(step) for step in (0, 25, 50, 75, 100)] == pytest.approx(expected, abs=5e-7)


def test_agrees_with_torch_whose_last_value_comes_one_step_later() -> None:
    optimizer = SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    reference = CosineAnnealingLR(optimizer, T_max=30, eta_min=0.02)
    schedule = build(Config(0.2, "0st", 0.0), Span(31, 0, 10, 0.1))
    for step in range(31):
        assert schedule.lr(step) == pytest.approx(reference.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        reference.step()


def test_the_warmup_is_no_part_of_the_wave() -> None:
    schedule = build(Config(0.0, "3ep", 0.01), Span(101, 30, 10, 0.1))
    assert schedule.lr(30 + 50) == pytest.approx(0.05)


@pytest.mark.parametrize("min_factor", [-0.1, 1.0, math.nan])
def test_values_out_of_range_are_refused(min_factor: float) -> None:
    with pytest.raises(RuleError, match="min_factor="):
        Config(min_factor, "0st", 0.0)
