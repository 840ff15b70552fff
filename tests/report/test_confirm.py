import statistics

import pytest
from scipy import stats

from cvrun.report.confirm import Again, confirmed, order, plain
from cvrun.report.seeds import spread


def again(name: str, picked: float, *scores: float | None) -> Again:
    return Again(name, spread([picked]), dict(enumerate(scores, start=1)))


A = again("a", 0.95, 0.90, 0.92, 0.91)
B = again("b", 0.94, 0.93, 0.94, 0.95)


def test_each_setting_has_n_mean_deviation_and_interval_beside_what_it_was_picked_for():
    row = confirmed([A, B], "val/accuracy", "max").splitlines()[4].split()
    low, high = stats.t.interval(0.95, 2, 0.91, stats.sem([0.90, 0.92, 0.91]))
    assert row == ["a", "0.9500", "1", "3", "0.9100", "0.0100", f"{low:.4f}", "to", f"{high:.4f}"]


def test_it_says_whether_the_order_stands():
    assert "the order does not stand: by their new means the settings come as 2, 1" in confirmed([A, B], "m", "max")
    assert "the order stands" in confirmed([B, A], "m", "max")
    assert "the order stands" in confirmed([A, B], "m", "min") and order([A, B], "min") == [0, 1]
    assert "there is one setting" in confirmed([A], "m", "max")
    assert "the order is not known" in confirmed([A, again("c", 0.9, None)], "m", "max")


def test_the_two_best_are_compared_seed_by_seed():
    # Differences of b and a: .03, .02, .04.
    low, high = stats.t.interval(0.95, 2, 0.03, stats.sem([0.03, 0.02, 0.04]))
    text = confirmed([A, B], "m", "max")
    assert (
        f"(2 and 1) differ by 0.0300, 95% interval {low:.4f} to {high:.4f} over 3 seeds: a difference on these" in text
    )
    near = again("c", 0.9, 0.93, 0.90, 0.96)
    assert "no difference shown" in confirmed([B, near], "m", "max")
    # The third seed of one is missing, so two are in common.
    assert "fewer than 3 seeds in common" in confirmed([B, again("d", 0.9, 0.9, 0.9, None)], "m", "max")
    same = again("e", 0.9, 0.83, 0.84, 0.85)
    assert "cannot be told" in confirmed([B, same], "m", "max")


def test_m18_fewer_than_three_seeds_are_said_and_none_has_no_numbers():
    text = confirmed([again("a", 0.9, 0.8, 0.7), again("b", 0.8, None, None)], "m", "max")
    assert "a: 2 seeds, fewer than 3" in text and "b: 0 seeds, fewer than 3" in text
    assert text.splitlines()[5].split() == ["b", "0.8000", "1", "0", "-", "-", "-"]


def test_values_for_programs():
    found = plain([A, again("c", 0.9, None)], "max")
    assert found["order_stands"] is None and found["settings"][1]["mean"] is None
    assert found["settings"][0]["mean"] == pytest.approx(statistics.fmean(A.scores))
    assert found["settings"][0]["scores"][0] == {"seed": 1, "score": 0.90}
    assert plain([A, B], "max")["order_stands"] is False
    assert plain([A], "max")["order_stands"] is None


def test_control_characters_in_a_setting_are_inert():
    assert "\x1b" not in confirmed([again("a\x1b[31m", 0.9, 0.8)], "m", "max")
