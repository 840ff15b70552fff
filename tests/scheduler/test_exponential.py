import pytest
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ExponentialLR

from cvrun.errors import RuleError
from cvrun.scheduler import Span
from cvrun.scheduler.exponential import Config, build


def test_agrees_with_torch_at_the_start_of_every_epoch() -> None:
    optimizer = SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    reference = ExponentialLR(optimizer, gamma=0.9)
    schedule = build(Config(0.9, "0st", 0.0), Span(60, 0, 12, 0.1))
    for epoch in range(5):
        assert schedule.lr(12 * epoch) == pytest.approx(reference.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        reference.step()


def test_half_an_epoch_is_the_root_of_the_factor_counted_from_the_end_of_the_warmup() -> None:
    schedule = build(Config(0.25, "1ep", 0.0), Span(20, 10, 10, 1.0))
    assert [schedule.lr(step) for step in (10, 15, 20)] == pytest.approx([1.0, 0.5, 0.25])


@pytest.mark.parametrize("factor", [0.0, 1.0, -0.5, float("nan")])
def test_values_out_of_range_are_refused(factor: float) -> None:
    with pytest.raises(RuleError, match="^factor="):
        Config(factor, "0st", 0.0)
