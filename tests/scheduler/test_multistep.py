import pytest
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import MultiStepLR

from cvrun.errors import RuleError
from cvrun.scheduler import Span
from cvrun.scheduler.multistep import Config, build


def test_agrees_with_torch_in_every_epoch() -> None:
    optimizer = SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    reference = MultiStepLR(optimizer, milestones=[30, 60, 80], gamma=0.2)
    schedule = build(Config(("30ep", "60ep", "80ep"), 0.2, "0st", 0.0), Span(900, 0, 10, 0.1))
    for epoch in range(90):
        for step in (10 * epoch, 10 * epoch + 9):
            assert schedule.lr(step) == pytest.approx(reference.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        reference.step()


def test_units_mix_and_milestones_are_on_the_clock_of_the_run() -> None:
    # 100 steps, 10 an epoch: cuts at 30 (steps), 50 (percent) and 70 (epochs), with a warmup of 20 steps.
    schedule = build(Config(("50%", "30st", "7ep"), 0.1, "2ep", 0.0), Span(80, 20, 10, 1.0))
    rates = [schedule.lr(step) for step in (20, 29, 30, 49, 50, 69, 70, 99)]
    assert rates == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_a_milestone_after_the_end_is_never_reached() -> None:
    schedule = build(Config(("30ep",), 0.1, "0st", 0.0), Span(100, 0, 10, 1.0))
    assert schedule.lr(99) == 1.0


def test_a_milestone_within_the_warmup_is_refused() -> None:
    with pytest.raises(RuleError, match="milestones=5ep: expected more than the warmup, 50 steps; this is 50 steps"):
        build(Config(("5ep", "9ep"), 0.1, "5ep", 0.0), Span(50, 50, 10, 0.1))


def test_two_milestones_at_one_step_count_as_two() -> None:
    schedule = build(Config(("5ep", "50%"), 0.1, "0st", 0.0), Span(100, 0, 10, 1.0))
    assert [schedule.lr(49), schedule.lr(50)] == pytest.approx([1.0, 0.01])


def test_a_milestone_written_twice_is_refused() -> None:
    with pytest.raises(RuleError, match=r"milestones=\[5ep, 5ep\]: expected each duration once"):
        Config(("5ep", "5ep"), 0.1, "0st", 0.0)


@pytest.mark.parametrize(
    ("milestones", "factor", "key"),
    [((), 0.1, "milestones"), (("30",), 0.1, "milestones"), (("0ep",), 0.1, "milestones"), (("3ep",), 1.0, "factor")],
)
def test_values_out_of_range_are_refused(milestones: tuple[str, ...], factor: float, key: str) -> None:
    with pytest.raises(RuleError, match=f"^{key}="):
        Config(milestones, factor, "0st", 0.0)
