import dataclasses
import random
from typing import Any

import pytest
import yaml

from cvrun.errors import RuleError
from cvrun.options import choices, load, module_names
from cvrun.scheduler import Schedule, Span
from cvrun.typed import to_dataclass

CHOICES = choices("scheduler")
SPANS = [Span(100, 0, 10, 0.1), Span(90, 10, 10, 0.1), Span(1, 0, 1, 0.1), Span(7, 3, 4, 2.0)]


def parts(choice: str) -> tuple[Any, Any]:
    values = yaml.safe_load(CHOICES[choice].read_text())
    module = load("scheduler", values.pop("option"))
    return module, to_dataclass(module.Config, values, "scheduler")


def schedule_of(choice: str, span: Span, **keys: object) -> Schedule:
    module, config = parts(choice)
    return module.build(dataclasses.replace(config, **keys), span)


def values(schedule: Schedule) -> list[float]:
    return [schedule.lr(step) for step in range(schedule.span.warmup + schedule.span.steps)]


def test_every_module_has_a_yaml_and_every_yaml_a_module() -> None:
    assert {yaml.safe_load(path.read_text())["option"] for path in CHOICES.values()} == set(module_names("scheduler"))


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("span", SPANS[:3], ids=str)
def test_values_lie_between_zero_and_the_peak(choice: str, span: Span) -> None:
    assert all(0 < lr <= span.lr for lr in values(schedule_of(choice, span)))


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("span", [SPANS[0], SPANS[1]], ids=str)
def test_the_peak_is_reached_when_the_warmup_ends(choice: str, span: Span) -> None:
    assert schedule_of(choice, span).lr(span.warmup) == span.lr


@pytest.mark.parametrize("choice", CHOICES)
def test_warmup_is_linear(choice: str) -> None:
    # Five epochs to 0.1, from 0.
    schedule = schedule_of(choice, Span(95, 5, 1, 0.1), warmup_start=0.0)
    assert values(schedule)[:6] == pytest.approx([0.0, 0.02, 0.04, 0.06, 0.08, 0.1])


@pytest.mark.parametrize("choice", CHOICES)
def test_warmup_begins_at_its_start_factor(choice: str) -> None:
    assert schedule_of(choice, SPANS[1], warmup_start=0.25).lr(0) == pytest.approx(0.025)


@pytest.mark.parametrize("choice", CHOICES)
def test_after_the_warmup_the_rate_never_rises(choice: str) -> None:
    after = values(schedule_of(choice, SPANS[1]))[10:]
    assert after == sorted(after, reverse=True)


@pytest.mark.parametrize("choice", [name for name in CHOICES if hasattr(parts(name)[1], "min_factor")])
@pytest.mark.parametrize("span", [SPANS[0], SPANS[1], SPANS[3]], ids=str)
@pytest.mark.parametrize("min_factor", [0.0, 0.25])
def test_the_minimum_is_reached_at_the_last_update(choice: str, span: Span, min_factor: float) -> None:
    rates = values(schedule_of(choice, span, min_factor=min_factor))
    assert rates[-1] == min_factor * span.lr
    assert rates[-2] > rates[-1]


@pytest.mark.parametrize("choice", CHOICES)
def test_a_rate_depends_on_its_step_alone(choice: str) -> None:
    span = SPANS[1]
    expected = values(schedule_of(choice, span))
    schedule = schedule_of(choice, span)
    order = list(range(100)) * 2
    random.Random(0).shuffle(order)
    assert [schedule.lr(step) for step in order] == [expected[step] for step in order]


@pytest.mark.parametrize("choice", [name for name in CHOICES if not hasattr(parts(name)[1], "patience")])
def test_only_plateaus_look_at_the_score(choice: str) -> None:
    schedule = schedule_of(choice, SPANS[0])
    before = values(schedule)
    for step in range(1, 100):
        schedule.plateau.update(False, step)
    assert values(schedule) == before
    assert schedule.plateau.state_dict() == {}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize(
    ("key", "value"),
    [("warmup", "5"), ("warmup", "1.5st"), ("warmup", "-1ep"), ("warmup_start", -0.1), ("warmup_start", 1.5)],
)
def test_values_out_of_range_are_refused(choice: str, key: str, value: object) -> None:
    _, config = parts(choice)
    with pytest.raises(RuleError, match=f"^{key}="):
        dataclasses.replace(config, **{key: value})
