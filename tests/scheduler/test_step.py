import pytest
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR

from cvrun.errors import RuleError
from cvrun.scheduler import Span
from cvrun.scheduler.step import Config, build


def test_agrees_with_torch_in_every_epoch() -> None:
    optimizer = SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    reference = StepLR(optimizer, step_size=30, gamma=0.1)
    schedule = build(Config("30ep", 0.1, "0st", 0.0), Span(900, 0, 10, 0.1))
    for epoch in range(90):
        for step in (10 * epoch, 10 * epoch + 9):
            assert schedule.lr(step) == pytest.approx(reference.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        reference.step()


def test_cuts_are_on_the_clock_of_the_run_whatever_the_warmup() -> None:
    schedule = build(Config("30ep", 0.1, "5ep", 0.0), Span(850, 50, 10, 1.0))
    assert [schedule.lr(step) for step in (299, 300, 599, 600)] == pytest.approx([1.0, 0.1, 0.1, 0.01])


@pytest.mark.parametrize(("every", "cut"), [("40st", 40), ("25%", 25), ("3ep", 30)])
def test_units(every: str, cut: int) -> None:
    schedule = build(Config(every, 0.5, "0st", 0.0), Span(100, 0, 10, 1.0))
    assert [schedule.lr(cut - 1), schedule.lr(cut)] == [1.0, 0.5]


def test_a_cut_within_the_warmup_is_refused() -> None:
    with pytest.raises(RuleError, match="every=2ep: expected more than the warmup, 50 steps; this is 20 steps"):
        build(Config("2ep", 0.1, "5ep", 0.0), Span(50, 50, 10, 0.1))


@pytest.mark.parametrize(
    ("every", "factor", "key"),
    [("30", 0.1, "every"), ("0ep", 0.1, "every"), ("30ep", 1.0, "factor"), ("30ep", 0.0, "factor")],
)
def test_values_out_of_range_are_refused(every: str, factor: float, key: str) -> None:
    with pytest.raises(RuleError, match=f"^{key}="):
        Config(every, factor, "0st", 0.0)
