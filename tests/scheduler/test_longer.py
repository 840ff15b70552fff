"""A run that is made longer: from there on it has the rates of a run that was planned so from its start."""

import math

import pytest
import yaml

from cvrun.duration import to_steps
from cvrun.options import choices, load
from cvrun.scheduler import Schedule, Span
from cvrun.typed import to_dataclass

PEAK, PER_EPOCH = 0.1, 10
BEFORE, AFTER = 100, 200
"""Steps as planned first, ten epochs, and then; it goes on at step 100."""

LOW = 0.01
"""min_factor of configs/scheduler."""

# Of each choice, with the values of its YAML file: step -> the rate under the longer plan.
LONGER = {
    "constant": {100: PEAK, 199: PEAK},
    "exponential": {100: PEAK * 0.95**10, 199: PEAK * 0.95**19.9},
    "cosine": {
        100: PEAK * (LOW + (1 - LOW) * (1 + math.cos(math.pi * 100 / 199)) / 2),
        199: PEAK * LOW,
    },
    "polynomial": {100: PEAK * (LOW + (1 - LOW) * (99 / 199) ** 0.9), 199: PEAK * LOW},
    # 50 % and 75 % were steps 50 and 75, and are now 100 and 150.
    "multistep": {99: PEAK, 100: PEAK / 10, 149: PEAK / 10, 150: PEAK / 100, 199: PEAK / 100},
    # 30 % was every 30 steps, and is now every 60.
    "step": {100: PEAK / 10, 119: PEAK / 10, 120: PEAK / 100, 180: PEAK / 1000},
    # Cut once before, by 0.1.
    "plateau": {100: PEAK / 10, 199: PEAK / 10},
    "keras_plateau": {100: PEAK / 10, 199: PEAK / 10},
}

# The rate of the last step under the first plan, by hand.
LAST = {
    "constant": PEAK,
    "exponential": PEAK * 0.95**9.9,
    "cosine": PEAK * LOW,
    "polynomial": PEAK * LOW,
    "multistep": PEAK / 100,
    "step": PEAK / 1000,
    "plateau": PEAK / 10,
    "keras_plateau": PEAK / 10,
}


def schedule_of(choice: str, total: int, warmup: int = 0, peak: float = PEAK, **keys: object) -> Schedule:
    values = {**yaml.safe_load(choices("scheduler")[choice].read_text()), **keys}
    module = load("scheduler", values.pop("option"))
    span = Span(total - warmup, warmup, PER_EPOCH, peak)
    return module.build(to_dataclass(module.Config, values, "scheduler"), span)


def test_every_schedule_is_here() -> None:
    assert set(LONGER) == set(LAST) == set(choices("scheduler"))


@pytest.mark.parametrize("choice", LONGER)
def test_rates_before_and_after(choice: str) -> None:
    short, longer = schedule_of(choice, BEFORE), schedule_of(choice, AFTER)
    for evaluation in range(1, BEFORE // PER_EPOCH + 1):
        # Nothing but a plateau looks at the score: it improves only at first, and is cut once in these ten epochs.
        short.plateau.update(evaluation <= 5, evaluation * PER_EPOCH)
    assert short.lr(BEFORE - 1) == pytest.approx(LAST[choice], rel=1e-12)
    longer.plateau.load_state_dict(short.plateau.state_dict())
    found = {step: longer.lr(step) for step in LONGER[choice]}
    assert found == pytest.approx(LONGER[choice], rel=1e-12)


@pytest.mark.parametrize("text", ["20st", "2ep"])
def test_a_warmup_that_was_over_stays_over(text: str) -> None:
    for total in (BEFORE, AFTER):
        warmup = to_steps(text, key="warmup", steps_per_epoch=PER_EPOCH, total_steps=total)
        schedule = schedule_of("cosine", total, warmup)
        assert schedule.lr(19) < schedule.lr(20) == PEAK > schedule.lr(21)


def test_a_warmup_in_percent_goes_on() -> None:
    before, after = (
        to_steps("10%", key="warmup", steps_per_epoch=PER_EPOCH, total_steps=total) for total in (BEFORE, AFTER)
    )
    assert schedule_of("cosine", BEFORE, before).lr(10) == PEAK
    # 10 % were 10 steps, and are now 20: at step 15 it rises again, from the factor 0.01 at step 0.
    assert schedule_of("cosine", AFTER, after).lr(15) == pytest.approx(PEAK * (LOW + (1 - LOW) * 15 / 20), rel=1e-12)


@pytest.mark.parametrize("choice", LONGER)
def test_a_new_peak_keeps_the_shape(choice: str) -> None:
    before, after = schedule_of(choice, BEFORE), schedule_of(choice, BEFORE, peak=PEAK / 4)
    assert [after.lr(step) for step in range(BEFORE)] == pytest.approx([before.lr(step) / 4 for step in range(BEFORE)])


def test_a_lower_peak_does_not_go_below_the_floor_of_the_plateau() -> None:
    before = schedule_of("plateau", BEFORE, min_lr=0.005)
    for step in range(10, 200, 10):
        before.plateau.update(False, step)
    # 0.1, 0.01, and then the floor.
    assert before.lr(99) == pytest.approx(0.005)
    after = schedule_of("plateau", BEFORE, peak=0.01, min_lr=0.005)
    after.plateau.load_state_dict(before.plateau.state_dict())
    # 0.05 of a peak of 0.01 would be 0.0005.
    assert after.lr(99) == pytest.approx(0.005)
    for step in range(10, 200, 10):
        after.plateau.update(False, step)
    assert after.lr(99) == pytest.approx(0.005)
