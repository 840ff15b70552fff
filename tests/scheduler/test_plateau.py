import dataclasses
import random

import pytest
import yaml
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ReduceLROnPlateau

from cvrun.errors import RuleError
from cvrun.options import choices
from cvrun.scheduler import Schedule, Span
from cvrun.scheduler.plateau import Config, build
from cvrun.typed import to_dataclass


def config(factor: float = 0.1, patience: int = 3, cooldown: int = 0, min_lr: float = 0.0) -> Config:
    return Config(factor, patience, cooldown, min_lr, "0st", 0.0)


def cuts(schedule: Schedule, num: int, steps_per_evaluation: int = 1) -> dict[int, float]:
    """Flat score: the first evaluation is the best, none improves. Evaluation (from 1) -> rate after the cut."""
    found, before = {}, schedule.plateau.scale
    for evaluation in range(1, num + 1):
        schedule.plateau.update(evaluation == 1, evaluation * steps_per_evaluation)
        if schedule.plateau.scale != before:
            before = schedule.plateau.scale
            found[evaluation] = schedule.span.lr * before
    return found


@pytest.mark.parametrize(
    ("patience", "cooldown", "expected"),
    [(3, 0, [4, 7, 10, 13]), (1, 0, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]), (4, 1, [5, 10]), (3, 2, [4, 9])],
)
def test_cuts_of_a_flat_score(patience: int, cooldown: int, expected: list[int]) -> None:
    schedule = build(config(patience=patience, cooldown=cooldown), Span(1000, 0, 10, 1.0))
    assert list(cuts(schedule, 13)) == expected


def test_the_preset_of_keras_cuts_a_flat_score_as_keras_does() -> None:
    values = yaml.safe_load(choices("scheduler")["keras_plateau"].read_text())
    assert values.pop("option") == "plateau"
    schedule = build(to_dataclass(Config, values, "scheduler"), Span(1000, 0, 10, 0.01))
    found = cuts(schedule, 40)
    assert list(found) == [6, 11, 16]
    assert list(found.values()) == pytest.approx([1e-3, 1e-4, 1e-5])
    assert schedule.lr(999) == pytest.approx(1e-5)


@pytest.mark.parametrize("cooldown", [0, 1, 3])
def test_agrees_with_torch_whose_patience_is_one_less(cooldown: int) -> None:
    rng = random.Random(cooldown)
    scores = [rng.choice([0.1, 0.2, 0.3]) * 0.97 ** (i // 9) for i in range(200)]
    optimizer = SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    reference = ReduceLROnPlateau(
        optimizer, factor=0.9, patience=3, cooldown=cooldown, threshold=0.0, threshold_mode="abs", min_lr=0.1
    )
    schedule = build(config(factor=0.9, patience=4, cooldown=cooldown, min_lr=0.1), Span(1000, 0, 10, 1.0))
    best = float("inf")
    for step, score in enumerate(scores, start=1):
        reference.step(score)
        schedule.plateau.update(score < best, step)
        best = min(best, score)
        assert schedule.lr(step) == pytest.approx(reference.get_last_lr()[0], rel=1e-9)
    assert schedule.lr(200) < 0.5


def test_an_improvement_starts_the_count_again() -> None:
    plateau = build(config(patience=2), Span(100, 0, 10, 1.0)).plateau
    scales = []
    for step, improved in enumerate([True, False, True, False, False], start=1):
        plateau.update(improved, step)
        scales.append(plateau.scale)
    assert scales == [1.0, 1.0, 1.0, 1.0, 0.1]


def test_the_floor_holds_when_a_cut_would_pass_it() -> None:
    schedule = build(config(factor=0.5, patience=1, min_lr=0.3), Span(100, 0, 10, 1.0))
    assert list(cuts(schedule, 10).values()) == pytest.approx([0.5, 0.3])


def test_evaluations_up_to_the_end_of_the_warmup_do_not_count() -> None:
    # One evaluation an epoch of 10 steps; the warmup ends with the fifth, so the eighth is the third that counts.
    schedule = build(dataclasses.replace(config(patience=3), warmup="5ep"), Span(950, 50, 10, 1.0))
    assert list(cuts(schedule, 13, steps_per_evaluation=10)) == [8, 11]


def test_the_factor_composes_with_the_warmup() -> None:
    schedule = build(config(patience=1), Span(90, 10, 10, 1.0))
    schedule.plateau.update(False, 11)
    assert [schedule.lr(5), schedule.lr(10), schedule.lr(99)] == pytest.approx([0.05, 0.1, 0.1])


@pytest.mark.parametrize("at", range(1, 14))
def test_a_resumed_plateau_goes_on_as_if_nothing_had_happened(at: int) -> None:
    rng = random.Random(at)
    judged = [rng.random() < 0.2 for _ in range(40)]
    chosen, span = config(patience=2, cooldown=2), Span(100, 0, 10, 1.0)
    whole, first, second = (build(chosen, span).plateau for _ in range(3))
    for step, improved in enumerate(judged[:at], start=1):
        whole.update(improved, step)
        first.update(improved, step)
    second.load_state_dict(first.state_dict())
    for step, improved in enumerate(judged[at:], start=at + 1):
        whole.update(improved, step)
        second.update(improved, step)
        assert second.state_dict() == whole.state_dict()
    assert whole.scale < 1.0


def test_a_floor_above_the_rate_is_refused() -> None:
    with pytest.raises(RuleError, match="min_lr=0.5: expected at most the peak learning rate, 0.1"):
        build(config(min_lr=0.5), Span(100, 0, 10, 0.1))


@pytest.mark.parametrize(
    ("key", "value"),
    [("factor", 1.0), ("factor", 0.0), ("patience", 0), ("cooldown", -1), ("min_lr", -1.0), ("min_lr", float("inf"))],
)
def test_values_out_of_range_are_refused(key: str, value: float) -> None:
    with pytest.raises(RuleError, match=f"^{key}="):
        dataclasses.replace(config(), **{key: value})
