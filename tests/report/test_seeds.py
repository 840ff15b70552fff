import statistics

import pytest
from scipy import stats

from cvrun.report.seeds import Seeded, few, seeds_table, spread, without_seed


def runs(*scores: float, setting: str = "a") -> list[Seeded]:
    return [Seeded(setting, setting, seed, "val/accuracy", score) for seed, score in enumerate(scores)]


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[3:]]


def test_m18_n_mean_deviation_and_interval_are_those_of_scipy():
    scores = [0.91, 0.87, 0.95, 0.90]
    found = spread(scores)
    wanted = stats.t.interval(0.95, 3, statistics.fmean(scores), stats.sem(scores))
    assert found.n == 4 and found.mean == pytest.approx(0.9075) and found.sd == pytest.approx(statistics.stdev(scores))
    assert found.interval == pytest.approx(wanted)


def test_the_interval_of_two_seeds_is_that_of_cauchys_quantile():
    # t(1) at .975 is tan(.475 pi) = 12.7062; half the distance of both times that.
    found = spread([0.6, 0.8])
    assert found.interval == pytest.approx((0.7 - 1.27062, 0.7 + 1.27062), abs=1e-5)


def test_one_seed_has_no_spread():
    assert (spread([0.5]).sd, spread([0.5]).interval) == (None, None)


def test_m18_the_table_has_mean_and_deviation_and_says_when_seeds_are_few():
    # .6, .7, .8: mean .7, deviation .1; t(2) = 4.3027, half width .1 * 4.3027 / sqrt(3) = .2484.
    text = seeds_table([*runs(0.6, 0.8, 0.7), *runs(0.5, 0.5, setting="b"), *runs(0.9, setting="c")])
    assert rows(text) == [
        ["a", "val/accuracy", "3", "0.7000", "0.1000", "0.4516", "to", "0.9484", "0.6000", "0.8000"],
        ["b", "val/accuracy", "2", "0.5000", "0.0000", "0.5000", "to", "0.5000", "0.5000", "0.5000"],
        ["b:", "2", "seeds,", "fewer", "than", "3:", "the", "spread", "is", "hardly", "known"],
    ]
    assert few(3) == "" and few(1).startswith("1 seed, fewer")


def test_a_seed_counts_once_and_another_metric_is_another_setting():
    twice = Seeded("a", "a", 0, "val/accuracy", 0.6)
    assert seeds_table([*runs(0.6), twice]) == "" == seeds_table([])
    assert seeds_table([*runs(0.6), Seeded("a", "a", 1, "val/loss", 0.6)]) == ""


def test_the_words_without_the_seed():
    assert without_seed(["+exp=a", "seed=3", "+seed=1", "split.seed=5"]) == ["+exp=a", "split.seed=5"]
