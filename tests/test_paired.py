"""Paired comparisons against closed forms, scipy, and what papers say."""

import math

import numpy as np
import pytest
from scipy import stats

from cvrun.bootstrap import draws, percentile
from cvrun.paired import bootstrap_p, delong, holm, mcnemar, over_seeds


def test_mcnemar_is_a_sign_test_on_the_images_that_differ():
    """1 against 5: P(at most 1 of 6 heads) twice, 2 x 7 / 64."""
    assert mcnemar(1, 5) == pytest.approx(2 * 7 / 64)
    assert mcnemar(5, 1) == mcnemar(1, 5)
    assert mcnemar(0, 0) == mcnemar(4, 4) == 1
    assert mcnemar(0, 6) == pytest.approx(2 / 64)
    for first, second in ((3, 17), (40, 61)):
        assert mcnemar(first, second) == pytest.approx(2 * stats.binom.cdf(first, first + second, 0.5))


def placements(positive, scores):
    """The definition: 1, 0.5 or 0 for each pair of a positive and a negative."""
    x, y = scores[positive], scores[~positive]
    return (x[:, None] > y) + 0.5 * (x[:, None] == y)


def test_delong_is_its_definition_also_with_ties():
    generator = np.random.default_rng(0)
    positive = np.arange(120) % 3 == 0
    first = np.round(generator.normal(size=120) + positive, 1)
    second = np.round(0.7 * first + generator.normal(size=120) + 0.2 * positive, 1)
    found = delong(positive, first, second)
    pairs = placements(positive, second) - placements(positive, first)
    variance = np.var(pairs.mean(axis=1), ddof=1) / 40 + np.var(pairs.mean(axis=0), ddof=1) / 80
    assert found.second - found.first == pytest.approx(pairs.mean())
    half = stats.t.ppf(0.975, 39) * math.sqrt(variance)
    assert (found.low, found.high) == pytest.approx((pairs.mean() - half, pairs.mean() + half))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(pairs.mean()) / math.sqrt(variance), 39))
    assert found.first == pytest.approx(placements(positive, first).mean())


def test_delong_by_hand():
    """Positives .9 .7 .6, negatives .8 .5 (checklist H12): 4 of 6 pairs; the other model has 6 of 6."""
    positive = np.array([True, True, True, False, False])
    found = delong(positive, np.array([0.9, 0.7, 0.6, 0.8, 0.5]), np.array([0.9, 0.8, 0.7, 0.2, 0.1]))
    assert (found.first, found.second) == (pytest.approx(4 / 6), 1.0)
    # Differences of placements: of positives 0, 1/2, 1/2; of negatives 2/3, 0.
    variance = (1 / 12) / 3 + (2 / 9) / 2
    # The rarer kind has two images, which leave one degree of freedom.
    assert found.p == pytest.approx(2 * stats.t.sf((1 / 3) / math.sqrt(variance), 1))


def test_delong_and_the_bootstrap_agree():
    generator = np.random.default_rng(1)
    positive = np.arange(400) % 2 == 0
    first = generator.normal(size=400) + 1.2 * positive
    second = first + 0.8 * generator.normal(size=400)
    found = delong(positive, first, second)
    ranks = [placements(positive, scores) for scores in (first, second)]
    parts = []
    for weights in draws(400, 2000):
        x, y = weights[:, positive], weights[:, ~positive]
        parts.append((x @ (ranks[1] - ranks[0]) * y).sum(axis=1) / (x.sum(axis=1) * y.sum(axis=1)))
    interval = percentile(np.concatenate(parts))
    assert (interval.low, interval.high) == pytest.approx((found.low, found.high), abs=0.1 * (found.high - found.low))


def test_m13_a_model_does_not_differ_from_itself():
    positive = np.arange(50) % 4 == 0
    scores = np.random.default_rng(0).normal(size=50)
    found = delong(positive, scores, scores)
    assert (found.low, found.high, found.p) == (0, 0, 1)
    assert bootstrap_p(np.zeros(100), 50) == 1


def test_delong_needs_two_images_of_each_kind():
    scores = np.arange(4.0)
    for positives in (0, 1, 3, 4):
        assert delong(np.arange(4) < positives, scores, scores) is None
    best, worst = np.array([0.0, 0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, 0.0])
    assert delong(best > 0, best, worst) is None


def test_the_p_value_of_resamples_is_twice_the_smaller_side():
    many = 10**9
    assert bootstrap_p(np.array([1.0] * 97 + [-1.0] * 2), many) == pytest.approx(2 * 3 / 100)
    assert bootstrap_p(np.full(1999, 0.5), many) == pytest.approx(2 / 2000)
    assert bootstrap_p(np.array([-1.0, 1.0]), many) == 1
    assert math.isnan(bootstrap_p(np.array([math.nan]), many))
    assert bootstrap_p(np.array([math.nan, 1.0, 1.0, 1.0]), many) == pytest.approx(0.5)


def test_few_units_show_little():
    """As Student's t at the normal quantile of the plain p-value, times sqrt((n - 1) / n)."""
    same = np.full(1999, 0.5)
    assert math.isnan(bootstrap_p(same, 1))
    for units in (2, 5, 20):
        z = stats.norm.isf(1 / 2000) * math.sqrt((units - 1) / units)
        assert bootstrap_p(same, units) == pytest.approx(2 * stats.t.sf(z, units - 1))
    assert bootstrap_p(same, 2) > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("units", [3, 5, 8, 20, 200])
def test_of_two_models_that_are_the_same_one_in_twenty_differs(units):
    """Differences of normal images, truth 0; of 1,000 trials 5 % with a noise of 0.7 % each way."""
    generator = np.random.default_rng(units)
    found = 0
    for seed in range(1000):
        values = generator.normal(size=units)
        means = np.concatenate([weights @ values / units for weights in draws(units, 999, seed)])
        found += bootstrap_p(means, units) < 0.05
    assert found / 1000 < 0.075


def test_holm_by_hand():
    """Sorted .005 .01 .03 .04 times 4 3 2 1, never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []
    with_nan = holm([0.01, math.nan, 0.02])
    assert with_nan[::2] == pytest.approx([0.02, 0.02]) and math.isnan(with_nan[1])


def test_without_images_seeds_are_compared_as_welch_does():
    one, other = np.array([0.9, 0.92, 0.95, 0.91]), np.array([0.97, 0.99, 0.96])
    low, high, p = over_seeds(float(other.mean() - one.mean()), 0.0, 1000, [one, other])
    expected = stats.ttest_ind(other, one, equal_var=False)
    ends = expected.confidence_interval(0.95)
    assert p == pytest.approx(expected.pvalue) and (low, high) == pytest.approx((ends.low, ends.high))


def test_without_spread_of_seeds_images_are_what_is_left():
    """Student's t of a mean of 25 images whose standard error over resamples is 0.02 sqrt(24 / 25)."""
    low, high, p = over_seeds(0.05, 0.02 * math.sqrt(24 / 25), 25, [np.array([0.5, 0.5]), np.array([0.55])])
    assert (low, high) == pytest.approx((0.05 - 0.02 * stats.t.ppf(0.975, 24), 0.05 + 0.02 * stats.t.ppf(0.975, 24)))
    assert p == pytest.approx(2 * stats.t.sf(2.5, 24))
    assert all(map(math.isnan, over_seeds(0.05, 0.02, 1, [np.array([0.5, 0.6]), np.array([0.55])])))
    assert over_seeds(0.0, 0.0, 25, [np.array([0.5, 0.5])]) == (0, 0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_of_two_settings_that_are_the_same_one_in_twenty_differs(seeds):
    generator = np.random.default_rng(seeds)
    found = 0
    for _ in range(2000):
        one, other = generator.normal(0, 1, (2, seeds))
        found += over_seeds(float(other.mean() - one.mean()), 0.1, 500, [one, other])[2] < 0.05
    assert found / 2000 < 0.065
