"""Rows 1 to 4, 15 and 32 at once: twenty drawn histories of kills and signals end with the same bits as no history."""

from collections import Counter

import pytest
import soak


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return soak.Bench(tmp_path_factory.mktemp("soak"))


def test_the_draws_differ_and_reach_everything():
    drawn = [soak.draw(seed) for seed in range(500)]
    attempts = [attempt for one in drawn for attempt in one.attempts]
    points = {attempt.faults.partition("@")[0] for attempt in attempts if attempt.faults}
    assert points == set(soak.POINTS)
    assert {one.cache for one in drawn} == set(soak.CACHES)
    assert {one.eval_every for one in drawn} == set(soak.INTERVALS)
    assert {attempt.workers for attempt in attempts} == {0, 1, 2, 3}
    assert {attempt.signal for attempt in attempts if attempt.delay is not None} == set(soak.SIGNALS)
    assert soak.draw(7) == soak.draw(7)


def test_the_uninterrupted_run_is_worth_comparing_with(bench):
    for interval, evaluations in (("2st", 5), ("1ep", 3)):
        _, records = bench.whole[interval]
        assert [row["step"] for row in records] == [*range(1, 10), 9]
        assert sum("val/ema/accuracy" in row for row in records) == evaluations
    assert bench.whole["2st"][0] != bench.whole["1ep"][0]


@pytest.mark.parametrize("seeds", [range(first, first + 5) for first in range(0, 20, 5)], ids=str)
def test_a_history_of_kills_and_signals_changes_no_bit(bench, seeds):
    codes: Counter = Counter()
    for seed in seeds:
        codes += bench.play(soak.draw(seed))
    assert codes[0] >= len(seeds)
    # Some of the processes were stopped before their end, or nothing was tried.
    assert sum(codes.values()) - codes[0] >= len(seeds) // 2


def test_a_difference_is_found(bench):
    """The oracle can fail: a run of another seed is not taken for this one."""
    kept = dict(bench.whole)
    bench.whole = {interval: ("0" * 64, records) for interval, (_, records) in kept.items()}
    try:
        with pytest.raises(AssertionError, match="other bits"):
            bench.play(soak.draw(0))
    finally:
        bench.whole = kept
