import math

import numpy as np
import pytest
from scipy import stats

from cvrun.optimism import LEAST, RESAMPLES, inside, outside, picking, picks, resamples

UNITS = 400


def share_of(right):
    """The share of right images under weights: what accuracy is."""
    return lambda weights: weights @ right / weights.sum(axis=1)


def picked(right, mode="max", clusters=None, parts=None):
    """The pick among models, of which each has a row that says which images are right."""
    parts = parts if parts is not None else resamples(right.shape[1], len(right), clusters)
    within = [inside(share_of(row), parts) for row in right]
    without = {i: outside(share_of(right[i]), parts) for i in set(picks(within, mode).tolist())}
    return picking(right.mean(axis=1), within, without, right.shape[1], mode)


def largest_of(models: int, units: int, share: float) -> float:
    """Expectation of the largest of binomial shares: the sum over k of 1 - F(k) ** models, over n."""
    cdf = stats.binom.cdf(np.arange(units), units, share)
    return float((1 - cdf**models).sum()) / units


@pytest.mark.parametrize("models", [2, 20])
def test_of_equal_models_the_whole_gain_of_the_best_is_optimism(models):
    share, random = 0.8, np.random.default_rng(models)
    true = largest_of(models, UNITS, share) - share
    parts = [counts[:100] for counts in resamples(UNITS, models)]
    found = [picked((random.random((models, UNITS)) < share).astype(float), parts=parts).optimism for _ in range(150)]
    assert np.mean(found) == pytest.approx(true, abs=max(0.1 * true, 3 * float(np.std(found)) / math.sqrt(150)))


def test_models_that_share_their_errors_have_less_of_it():
    # A half of the images is right or wrong for all models alike: only the other half varies between them.
    share, random = 0.8, np.random.default_rng(0)
    true = (largest_of(20, UNITS // 2, share) - share) / 2
    parts = [counts[:100] for counts in resamples(UNITS, 20)]
    found = []
    for _ in range(150):
        right = (random.random((20, UNITS)) < share).astype(float)
        right[:, : UNITS // 2] = right[0, : UNITS // 2]
        found.append(picked(right, parts=parts).optimism)
    assert np.mean(found) == pytest.approx(true, rel=0.15)


def test_a_winner_by_far_is_hardly_luck():
    random = np.random.default_rng(1)
    right = (random.random((5, UNITS)) < np.array([0.95, 0.5, 0.5, 0.5, 0.5])[:, None]).astype(float)
    # Its score outside of resamples has the mean of its score, and a deviation of sqrt(.95 * .05 / (.37 * 400) / 500).
    assert abs(picked(right).optimism) < 4 * math.sqrt(0.95 * 0.05 / (0.37 * UNITS) / RESAMPLES)


def test_less_is_better_where_the_mode_says_so():
    right = (np.random.default_rng(2).random((6, UNITS)) < 0.8).astype(float)
    up, down = picked(right), picked(1 - right, "min")
    assert down.optimism == pytest.approx(up.optimism) and down.score == pytest.approx(1 - up.score)
    assert up.optimism == pytest.approx(up.score - up.expected)
    assert (up.models, up.units, up.resamples, up.undefined) == (6, UNITS, RESAMPLES, 0)


def test_images_of_a_group_are_in_or_out_together():
    clusters = np.repeat(np.arange(20), 20)
    for counts in resamples(UNITS, 2, clusters):
        assert all((counts[:, clusters == group] == counts[:, clusters == group][:, :1]).all() for group in range(20))
    # All images of a group alike: as many independent images as groups.
    random = np.random.default_rng(3)
    found = []
    for _ in range(80):
        right = np.repeat((random.random((10, 20)) < 0.8).astype(float), 20, axis=1)
        found.append(picked(right, clusters=clusters).optimism)
    assert np.mean(found) == pytest.approx(largest_of(10, 20, 0.8) - 0.8, rel=0.15)


def test_what_is_undefined_is_not_picked_and_is_counted():
    nan = math.nan
    one = np.array([0.5, 0.6, 0.7, math.nan])
    within = [one, np.array([nan, nan, 0.9, nan])]
    without = {0: np.array([0.4, nan, 0.1, 0.2]), 1: np.array([0.0, 0.0, 0.3, 0.0])}
    assert picks(within, "max").tolist()[:3] == [0, 0, 1] and picks(within, "min").tolist()[:3] == [0, 0, 0]
    found = picking([0.6, nan], within, without, 4, "max")
    # Picks: the first, the first (none outside), the second, none.
    assert (found.expected, found.resamples, found.undefined) == (pytest.approx(0.35), 2, 2)
    assert found.score == 0.6 and found.optimism == pytest.approx(0.25)
    none = picking([0.6], [np.array([nan])], {0: np.array([nan])}, 4, "max")
    assert math.isnan(none.expected) and none.undefined == 1


def test_many_models_with_many_images_have_fewer_resamples():
    assert sum(map(len, resamples(100, 5))) == RESAMPLES
    assert sum(map(len, resamples(20_000, 100_000))) == LEAST
