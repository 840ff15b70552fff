import math

import pytest

from cvrun.early_stopping.patience import Config as PatienceConfig
from cvrun.early_stopping.patience import build as build_patience
from cvrun.errors import DivergedError
from cvrun.scheduler import Span
from cvrun.scheduler.plateau import Config as PlateauConfig
from cvrun.scheduler.plateau import build as build_plateau
from cvrun.trainer.best import Best


def judge(best: Best, scores) -> list[bool]:
    return [best.update(score, step) for step, score in enumerate(scores, 1)]


def test_strictly_better_counts_and_a_tie_does_not():
    assert judge(Best("val/loss", "min", 0.0, "abs"), [1.0, 1.0, 0.9, 0.95, 0.9]) == [True, False, True, False, False]
    assert judge(Best("val/accuracy", "max", 0.0, "abs"), [0.5, 0.5, 0.6]) == [True, False, True]


def test_min_delta_is_absolute_by_default():
    # A gain of exactly min_delta does not count, as in Keras and Lightning: better means by more than it.
    assert judge(Best("m", "max", 0.25, "abs"), [1.0, 1.25, 1.5]) == [True, False, True]


def test_a_relative_min_delta_is_not_inverted_by_a_negative_best():
    # torch's ReduceLROnPlateau in rel mode counts -1.00005 as better than -1 under mode max (semantics.md, defect 17).
    best = Best("m", "max", 1e-4, "rel")
    assert judge(best, [-1.0, -1.00005, -0.99995, -0.9998]) == [True, False, False, True]


def test_nan_stops_the_run_and_never_wins():
    best = Best("val/loss", "min", 0.0, "abs")
    best.update(1.0, 1)
    with pytest.raises(DivergedError, match="val/loss=nan at step 2"):
        best.update(math.nan, 2)
    assert (best.score, best.step) == (1.0, 1)


def test_infinity_is_only_a_bad_score():
    assert judge(Best("m", "min", 0.0, "abs"), [math.inf, 2.0, math.inf]) == [True, True, False]


def test_the_best_survives_a_round_trip():
    best = Best("m", "max", 0.0, "abs")
    judge(best, [0.1, 0.7, 0.3])
    other = Best("m", "max", 0.0, "abs")
    other.load_state_dict(best.state_dict())
    assert (other.score, other.step) == (0.7, 2)
    assert not other.update(0.7, 3)


def test_keras_plateau_and_early_stopping_on_a_flat_metric_share_one_judgement():
    # checklist.md D2, D3 and E14: lr .01, factor .1, patience 5, min_lr 1e-5 on a flat loss cuts at evaluations 6, 11
    # and 16; early stopping with patience 5 stops after evaluation 6, which is that of the first cut.
    best = Best("val/loss", "min", 0.0, "abs")
    plateau = build_plateau(
        PlateauConfig(factor=0.1, patience=5, cooldown=0, min_lr=1e-5, warmup="0st", warmup_start=0.0),
        Span(steps=200, warmup=0, steps_per_epoch=10, lr=0.01),
    ).plateau
    stopper = build_patience(PatienceConfig(patience=5, start_from_epoch=0.0, baseline=None), "min")
    scales, stopped = [], None
    for evaluation in range(1, 21):
        improved = best.update(1.0, 10 * evaluation)
        plateau.update(improved, 10 * evaluation)
        stopper.update(improved, 1.0, float(evaluation))
        scales.append(plateau.scale)
        stopped = stopped or (evaluation if stopper.stopped else None)
    cuts = [i for i in range(2, 21) if scales[i - 1] != scales[i - 2]]
    assert cuts == [6, 11, 16]
    assert [0.01 * scales[i] for i in (5, 10, 15)] == pytest.approx([1e-3, 1e-4, 1e-5])
    assert stopped == 6
