import math

import pytest

from cvrun.early_stopping.patience import Config, build
from cvrun.errors import RuleError


def stops_after(config: Config, scores: list[float], mode: str = "max", epochs: float = 1.0) -> int | None:
    """The evaluation (from 1) after which training ends; a score improves when it strictly beats all before it."""
    stopper, best = build(config, mode), -math.inf if mode == "max" else math.inf
    for evaluation, score in enumerate(scores, start=1):
        improved = score > best if mode == "max" else score < best
        best = score if improved else best
        stopper.update(improved, score, evaluation * epochs)
        if stopper.stopped:
            return evaluation
    return None


@pytest.mark.parametrize(("patience", "expected"), [(1, 2), (3, 4), (5, 6)])
@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_flat_score(patience: int, expected: int, mode: str) -> None:
    assert stops_after(Config(patience, 0, None), [0.5] * 20, mode) == expected


def test_an_improvement_starts_the_count_again() -> None:
    assert stops_after(Config(3, 0, None), [0.1, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0]) == 7


def test_nan_is_no_improvement() -> None:
    assert stops_after(Config(2, 0, None), [0.1, math.nan, math.nan, 0.2]) == 3


def test_the_first_epochs_do_not_count() -> None:
    # In Keras, start_from_epoch=4 passes over the epochs with index 0 to 3, the first four.
    assert stops_after(Config(3, 4, None), [0.5] * 20) == 7


def test_start_from_epoch_is_in_epochs_and_not_in_evaluations() -> None:
    assert stops_after(Config(3, 2, None), [0.5] * 20, epochs=0.5) == 7


@pytest.mark.parametrize(("mode", "sign"), [("max", 1.0), ("min", -1.0)])
def test_improvements_below_the_baseline_leave_the_count_running(mode: str, sign: float) -> None:
    rising = [sign * score for score in (0.1, 0.2, 0.3, 0.3, 0.3)]
    # Counts 1, 2, 3 while it improves below the baseline; the fourth evaluation is the first that may end the run.
    assert stops_after(Config(3, 0, sign * 0.9), rising, mode) == 4


@pytest.mark.parametrize(("mode", "sign"), [("max", 1.0), ("min", -1.0)])
def test_beating_the_baseline_starts_the_count_again(mode: str, sign: float) -> None:
    scores = [sign * score for score in (0.1, 0.2, 0.95, 0.3, 0.3, 0.3)]
    assert stops_after(Config(3, 0, sign * 0.9), scores, mode) == 6


def test_reaching_the_baseline_is_not_beating_it() -> None:
    assert stops_after(Config(3, 0, 0.9), [0.1, 0.2, 0.9, 0.3]) == 4


@pytest.mark.parametrize(
    ("patience", "start", "baseline", "key"),
    [
        (0, 0.0, None, "patience"),
        (3, -1.0, None, "start_from_epoch"),
        (3, math.inf, None, "start_from_epoch"),
        (3, 0.0, math.nan, "baseline"),
    ],
)
def test_values_out_of_range_are_refused(patience: int, start: float, baseline: float | None, key: str) -> None:
    with pytest.raises(RuleError, match=f"^{key}="):
        Config(patience, start, baseline)


def saved_after(config: Config, judged: list[bool]) -> dict[str, object]:
    """The state after one evaluation an epoch, each of which improved or not."""
    stopper = build(config, "max")
    for epoch, improved in enumerate(judged, start=1):
        stopper.update(improved, 0.5, epoch)
    return stopper.state_dict()


@pytest.mark.parametrize(
    ("keys", "stopped", "goes_on_for"),
    [
        # One evaluation improved, three did not: stopped with a patience of 3.
        (Config(3, 0, None), True, 0),
        (Config(2, 0, None), True, 0),
        (Config(5, 0, None), False, 2),
        # All four lie where nothing counts now: three more that count.
        (Config(3, 4, None), False, 3),
        # The last one still counts, so the count stays.
        (Config(3, 3.5, None), True, 0),
    ],
)
def test_under_other_keys_it_is_judged_anew(keys: Config, stopped: bool, goes_on_for: int) -> None:
    stopper = build(keys, "max")
    stopper.load_state_dict(saved_after(Config(3, 0, None), [True, False, False, False]))
    assert stopper.stopped is stopped
    for epoch in range(5, 5 + goes_on_for):
        assert not stopper.stopped
        stopper.update(False, 0.5, epoch)
    assert stopper.stopped


def test_an_improvement_below_the_baseline_does_not_end_it_when_it_is_loaded() -> None:
    # Counts 1, 2, 3, each an improvement that does not beat the baseline: only the next evaluation may end the run.
    state = saved_after(Config(3, 0, 0.9), [True, True, True])
    stopper = build(Config(3, 0, 0.9), "max")
    stopper.load_state_dict(state)
    assert not stopper.stopped
    stopper.update(False, 0.5, 4.0)
    assert stopper.stopped


@pytest.mark.parametrize("stopped", [True, False])
def test_a_state_of_the_first_version_is_understood(stopped: bool) -> None:
    stopper = build(Config(3, 0, None), "max")
    stopper.load_state_dict({"bad": 3, "stopped": stopped})
    assert stopper.stopped is stopped
    stopper.update(False, 0.5, 9.0)
    assert stopper.stopped
