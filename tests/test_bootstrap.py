"""Resamples and the intervals out of them, against scipy and closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from cvrun.bootstrap import Interval, bca, draws, intervals, left_out, percentile, tail


def mean_of(values):
    return lambda weights: weights @ values / weights.sum(axis=1)


def variance_of(values):
    def variance(weights):
        total = weights.sum(axis=1)
        return weights @ values**2 / total - (weights @ values / total) ** 2

    return variance


def resampled(function, units, count, **more):
    return np.concatenate([function(weights) for weights in draws(units, count, **more)])


def test_weights_say_how_often_each_unit_was_drawn():
    weights = np.concatenate(list(draws(30, 4000)))
    assert weights.shape == (4000, 30) and weights.dtype == np.float64
    assert (weights.sum(axis=1) == 30).all() and (weights == weights.round()).all()
    # Binomial(30, 1/30) each.
    assert weights.mean(axis=0) == pytest.approx(np.ones(30), abs=0.07)
    assert weights.var() == pytest.approx(29 / 30, rel=0.03)


@pytest.mark.parametrize("clusters", [None, np.arange(37) % 5])
def test_weights_depend_on_the_arguments_alone_not_on_how_many_come_at_once(clusters):
    whole = np.concatenate(list(draws(37, 23, seed=3, clusters=clusters)))
    for at_once in (1, 37, 100, 5000):
        parts = list(draws(37, 23, 3, clusters, at_once))
        assert np.array_equal(np.concatenate(parts), whole)
        assert max(len(part) for part in parts) == max(1, min(23, at_once // 37))
    assert not np.array_equal(np.concatenate(list(draws(37, 23, seed=4, clusters=clusters))), whole)


def test_clusters_are_drawn_whole():
    clusters = np.array([0, 1, 1, 2, 2, 2])
    weights = np.concatenate(list(draws(6, 500, clusters=clusters)))
    assert (weights[:, 1] == weights[:, 2]).all() and (weights[:, 3] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert len({tuple(row) for row in weights.tolist()}) == 10  # ways to draw 3 of 3 with replacement


def test_m10_the_spread_over_patients_is_not_that_over_images():
    """Twenty patients with ten identical images each, of 16 all are right: sqrt(.8 x .2 / 20), and / 200 naively."""
    right = np.repeat(np.arange(20) < 16, 10).astype(float)
    patients = np.repeat(np.arange(20), 10)
    clustered = resampled(mean_of(right), 200, 20000, clusters=patients)
    naive = resampled(mean_of(right), 200, 20000)
    assert clustered.std() == pytest.approx(0.0894, rel=0.02)
    assert naive.std() == pytest.approx(0.0283, rel=0.02)


def test_a_jackknife_leaves_out_each_unit_once():
    weights = np.concatenate(list(left_out(30)))
    assert weights.shape == (30, 30)
    assert ((weights == 0).sum(axis=0) == 1).all() and ((weights == 0).sum(axis=1) == 1).all()
    blocks = np.concatenate(list(left_out(1000, blocks=40)))
    assert blocks.shape == (40, 1000)
    assert ((blocks == 0).sum(axis=0) == 1).all() and set((blocks == 0).sum(axis=1)) == {25}
    clusters = np.array([0, 1, 1, 2])
    found = np.concatenate(list(left_out(4, clusters)))
    assert sorted(map(tuple, found.tolist())) == [(0, 1, 1, 1), (1, 0, 0, 1), (1, 1, 1, 0)]


def test_percentile_and_bca_are_those_of_scipy():
    """Of the variance of a skewed sample, for which the two differ; within the noise of 100,000 resamples."""
    values = np.random.default_rng(0).exponential(size=40)
    function = variance_of(values)
    found = resampled(function, 40, 100_000)
    jackknife = np.concatenate([function(weights) for weights in left_out(40)])
    ours = {"percentile": percentile(found), "BCa": bca(found, float(values.var()), jackknife)}
    for method, interval in ours.items():
        expected = stats.bootstrap(
            (values,), np.var, n_resamples=100_000, method=method, random_state=1, vectorized=True
        )
        low, high = expected.confidence_interval
        assert interval.low == pytest.approx(low, rel=0.03)
        assert interval.high == pytest.approx(high, rel=0.03)
    assert ours["BCa"].high > 1.1 * ours["percentile"].high
    assert intervals({"variance": function}, 40, 100_000)["variance"] == bca(
        found, float(values.var()), jackknife, units=40
    )


def test_bca_by_hand():
    """z0 = 0 and a = 0 give the percentile interval; the equations 14.9 to 14.15 of Efron and Tibshirani else."""
    values = np.arange(1.0, 1000.0)
    middle = bca(values, 500.0, np.array([1.0, 2.0, 3.0]))
    assert middle.corrected and replace(middle, corrected=False) == percentile(values)
    jackknife = np.array([0.0, 0.0, 3.0])
    away = jackknife.mean() - jackknife
    a = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    z0 = stats.norm.ppf(((values < 400).sum() + 0.5) / 999)
    ends = [stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z))) for z in stats.norm.ppf([0.025, 0.975])]
    found = bca(values, 400.0, jackknife)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, ends)))


def test_with_blocks_the_acceleration_stays():
    """Of a mean it is skewness / (6 sqrt(N)), also from 200 blocks of 50 (Efron and Tibshirani, 14.15)."""
    values = np.random.default_rng(0).exponential(size=10000)
    jackknife = np.concatenate([mean_of(values)(weights) for weights in left_out(10000)])
    assert len(jackknife) == 200
    away = jackknife.mean() - jackknife
    found = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    assert found == pytest.approx(stats.skew(values) / (6 * 100), abs=0.003)


def test_few_units_have_wider_intervals():
    """Of the mean of n normal numbers, Student's interval, as the plain one is the normal one times (n - 1) / n."""
    assert tail(0.95) == pytest.approx(0.025)
    assert tail(0.95, 100_000) == pytest.approx(0.025, rel=1e-3)
    for units in (5, 20, 100):
        spread = np.sqrt((units - 1) / units)
        assert -stats.norm.ppf(tail(0.95, units)) * spread == pytest.approx(stats.t.ppf(0.975, units - 1))
    # Of two units nothing is left but the whole range.
    assert (percentile(np.arange(9.0), units=2).low, percentile(np.arange(9.0), units=2).high) == pytest.approx(
        (0, 8), abs=1e-6
    )
    assert bca(np.arange(9.0), 4.0, np.arange(3.0), units=2).high == pytest.approx(8)
    assert math.isnan(percentile(np.arange(9.0), units=1).low)
    assert math.isnan(bca(np.arange(9.0), 4.0, np.arange(3.0), units=1).low)


def test_what_is_undefined_is_counted_and_left_out():
    values = np.array([math.nan, 1.0, 2.0, 3.0, math.nan])
    assert percentile(values) == Interval(pytest.approx(1.05), pytest.approx(2.95), 2)
    assert percentile(np.array([math.nan])).undefined == 1 and math.isnan(percentile(np.array([math.nan])).low)
    assert bca(values, 2.0, np.array([1.0, math.nan])) == percentile(values)
    assert bca(values, math.nan, np.array([1.0, 2.0])) == percentile(values)
    assert bca(np.full(9, 5.0), 5.0, np.full(3, 5.0)) == Interval(5.0, 5.0, 0, True)
    infinite = np.array([1.0, 2.0, 3.0, math.inf, math.nan])
    assert percentile(infinite) == percentile(values)
    nearly = np.full(9, 0.1 + 0.2)
    assert bca(np.append(nearly, [0.0, 1.0]), 0.3, np.array([1.0, 2.0, 3.0])).corrected
    assert bca(np.arange(9.0), -1.0, np.arange(3.0)) == percentile(np.arange(9.0))


@pytest.mark.slow
def test_nineteen_of_twenty_intervals_hold_the_truth():
    """Of a mean of 100 exponential numbers, true mean 1: 95 %, binomial noise of 600 trials 0.9 % each way."""
    generator = np.random.default_rng(0)
    held = 0
    for seed in range(600):
        values = generator.exponential(size=100)
        found = intervals({"mean": mean_of(values)}, 100, 1000, seed=seed)["mean"]
        held += found.low <= 1 <= found.high
    assert 0.92 < held / 600 < 0.97


@pytest.mark.slow
def test_intervals_over_images_are_too_narrow_where_patients_have_many():
    """Forty patients of ten images, half of the variance between patients; truth 0."""
    generator = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 10)
    held = {True: 0, False: 0}
    for seed in range(300):
        values = generator.normal(size=40)[patients] + generator.normal(size=400)
        for clustered in held:
            clusters = patients if clustered else None
            found = intervals({"mean": mean_of(values)}, 400, 500, seed, clusters)["mean"]
            held[clustered] += found.low <= 0 <= found.high
    assert held[True] / 300 > 0.9 and held[False] / 300 < 0.75
