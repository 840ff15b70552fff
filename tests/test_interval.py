import pytest

from cvrun.interval import cases_needed, design_effect, wilson, wilson_of, z_value


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
