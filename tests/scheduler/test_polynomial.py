import pytest
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import PolynomialLR

from cvrun.errors import RuleError
from cvrun.scheduler import Span
from cvrun.scheduler.polynomial import Config, build


@pytest.mark.parametrize("power", [0.9, 1.0, 2.0])
def test_agrees_with_torch_whose_last_value_comes_one_step_later(power: float) -> None:
    optimizer = SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    reference = PolynomialLR(optimizer, total_iters=30, power=power)
    schedule = build(Config(power, 0.0, "0st", 0.0), Span(31, 0, 10, 0.1))
    for step in range(31):
        assert schedule.lr(step) == pytest.approx(reference.get_last_lr()[0], rel=1e-9, abs=1e-15)
        optimizer.step()
        reference.step()


def test_a_straight_line_ends_at_the_minimum() -> None:
    schedule = build(Config(1.0, 0.2, "0st", 0.0), Span(5, 0, 1, 1.0))
    assert [schedule.lr(step) for step in range(5)] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])


@pytest.mark.parametrize(
    ("power", "min_factor", "key"),
    [(0.0, 0.0, "power"), (-1.0, 0.0, "power"), (float("inf"), 0.0, "power"), (1.0, 1.0, "min_factor")],
)
def test_values_out_of_range_are_refused(power: float, min_factor: float, key: str) -> None:
    with pytest.raises(RuleError, match=f"^{key}="):
        Config(power, min_factor, "0st", 0.0)
