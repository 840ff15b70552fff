import numpy as np
import pytest

from cvrun.interval import cases_needed, design_effect, rate, wilson, wilson_of, z_value


def test_z_is_the_one_of_the_tables():
    assert z_value(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert z_value(0.99) == pytest.approx(2.575829, abs=1e-6)


def test_m9_wilson_of_36_out_of_40():
    low, high = wilson(36, 40)
    assert low == pytest.approx(0.769, abs=5e-4)
    assert high == pytest.approx(0.960, abs=5e-4)


@pytest.mark.parametrize(("hits", "total"), [(0, 7), (7, 7), (1, 7), (5, 12), (99, 100), (3, 1000)])
def test_wilson_holds_the_shares_that_a_score_test_does_not_reject(hits, total):
    """The definition: at both ends the observed share is z standard errors, of the end's own, away."""
    share, z = hits / total, z_value(0.95)
    low, high = wilson(hits, total)
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert abs(share - end) == pytest.approx(z * (end * (1 - end) / total) ** 0.5)


def test_wilson_agrees_with_scipy():
    scipy_stats = pytest.importorskip("scipy.stats")
    for hits, total, confidence in ((36, 40, 0.95), (0, 9, 0.95), (9, 9, 0.9), (17, 123, 0.99)):
        theirs = scipy_stats.binomtest(hits, total).proportion_ci(confidence, method="wilson")
        assert wilson(hits, total, confidence) == pytest.approx((theirs.low, theirs.high))


def test_nothing_counted_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_mirrored_share_has_the_mirrored_interval():
    low, high = wilson_of(0.2, 57.5)
    assert wilson_of(0.8, 57.5) == pytest.approx((1 - high, 1 - low))


def test_m5_cases_needed():
    assert cases_needed(0.9, 0.05) == 139  # 1.96^2 * 0.09 / 0.0025 = 138.3
    assert cases_needed(0.5, 0.05) == 385  # the usual survey: 384.1
    assert cases_needed(0.5, 0.5, 0.6826894921370859) == 1  # z = 1: exactly one


def test_design_effect_of_kish():
    assert design_effect(1, 0.9) == 1
    assert design_effect(10, 1) == 10
    assert design_effect(20, 0.05) == pytest.approx(1.95)


def test_m10_identical_images_of_a_patient_count_once():
    """Twenty patients with ten identical images each, of 16 all are right: as 19 independent patients (n - 1)...

    ... times (z / t)^2 with 19 degrees of freedom, 1.95996 and 2.09302 in the tables.
    """
    patients = np.repeat(np.arange(20), 10)
    hit, counted = patients < 16, np.ones(200, bool)
    assert rate(hit, counted, patients) == pytest.approx(wilson_of(0.8, 19 * (1.959964 / 2.093024) ** 2), rel=1e-5)
    assert rate(hit, counted) == wilson(160, 200)
    half = [(high - low) / 2 for low, high in (rate(hit, counted, patients), rate(hit, counted))]
    assert half[0] / half[1] == pytest.approx(0.0894 / 0.0283 * 2.093024 / 1.959964, rel=0.1)


def test_clusters_of_one_are_independent_units_and_never_more_than_there_are():
    hit = np.arange(50) % 5 > 0
    counted = np.arange(50) != 7
    low, high = rate(hit, counted, np.arange(50))
    assert (low, high) == pytest.approx(wilson_of(39 / 49, 48 * (1.959964 / 2.010635) ** 2), rel=1e-5)
    # Half of each pair: no spread between the pairs, which says no more than twenty units would.
    pairs = np.arange(40) // 2
    low, high = rate(np.arange(40) % 2 == 0, np.ones(40, bool), pairs)
    assert (low, high) == pytest.approx(wilson_of(0.5, 20 * (1.959964 / 2.093024) ** 2), rel=1e-5)
    # Less spread than chance has, in many clusters: no more units than there are.
    pairs = np.arange(4000) // 2
    hit = np.arange(4000) % 2 == 0
    hit[:2], hit[2:4] = True, False
    assert rate(hit, np.ones(4000, bool), pairs) == wilson(2000, 4000)


@pytest.mark.parametrize("right", [True, False])
def test_where_nothing_varies_each_cluster_counts_once(right):
    clusters = np.repeat(np.arange(6), 10)
    assert rate(np.full(60, right), np.ones(60, bool), clusters) == wilson(6 * right, 6)
    assert rate(np.full(60, right), clusters < 2, clusters) == wilson(2 * right, 2)


def test_one_cluster_is_one_unit_and_none_says_nothing():
    hit, clusters = np.arange(10) < 7, np.zeros(10, np.int64)
    assert rate(hit, np.ones(10, bool), clusters) == wilson_of(0.7, 1)
    assert rate(hit, np.zeros(10, bool), clusters) == (0.0, 1.0)


@pytest.mark.slow
def test_nineteen_of_twenty_intervals_over_clusters_hold_the_truth():
    """Sixty patients of 1 to 20 images, each with a rate of its own from Beta(4, 1); the share of all images is 0.8."""
    generator = np.random.default_rng(0)
    held = {True: 0, False: 0}
    for _ in range(1000):
        patients = np.repeat(np.arange(60), generator.integers(1, 21, 60))
        hit = generator.random(len(patients)) < generator.beta(4, 1, 60)[patients]
        for clustered in held:
            low, high = rate(hit, np.ones(len(hit), bool), patients if clustered else None)
            held[clustered] += low <= 0.8 <= high
    assert 0.92 < held[True] / 1000 < 0.98 and held[False] / 1000 < 0.8
