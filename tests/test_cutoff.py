"""Thresholds: numbers by hand, and scikit-learn's curves."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_curve

from cvrun.cutoff import (
    Rule,
    class_thresholds,
    operating_threshold,
    parse_rule,
    reject_threshold,
    selective,
    share_of,
)
from cvrun.errors import ConfigError

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
TRUTH = np.array([1, 1, 0, 1, 0, 1, 0, 0], bool)


@pytest.mark.parametrize(
    ("word", "threshold"),
    [
        ("target_sens=1", 0.4),
        ("target_sens=0.76", 0.4),
        ("target_sens=0.75", 0.6),
        ("target_sens=0.01", 0.9),
        ("target_spec=1", 0.8),
        ("target_spec=0.75", 0.6),
        ("target_spec=0.5", 0.4),
        # J of .8: .5; of .6: .75 - .25 = .5; of .4: 1 - .5 = .5; the smallest of equal ones.
        ("youden", 0.4),
        # .8: 2 FN; .6: 1 FN and 1 FP; .4: 2 FP. All cost 2.
        ("cost=1:1", 0.4),
        ("cost=10:1", 0.8),
        ("cost=1:10", 0.4),
    ],
)
def test_m7_operating_points_by_hand(word, threshold):
    assert operating_threshold(parse_rule(word), SCORES, TRUTH) == threshold
    # Nothing depends on the order.
    order = np.random.default_rng(0).permutation(8)
    assert operating_threshold(parse_rule(word), SCORES[order], TRUTH[order]) == threshold


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("target", [0.5, 0.8, 0.9, 0.95, 0.99, 1.0])
def test_m7_sensitivity_and_specificity_reach_the_target_and_the_next_threshold_does_not(seed, target):
    random = np.random.default_rng(seed)
    truth = random.random(237) < 0.3
    # With ties.
    scores = np.round(np.clip(random.normal(0.4 + 0.2 * truth, 0.2), 0, 0.99), 2)
    each = np.append(np.unique(scores), np.nextafter(scores.max(), 2))

    def sensitivity(t):
        return (scores[truth] >= t).mean()

    def specificity(t):
        return (scores[~truth] < t).mean()

    found = operating_threshold(Rule("target_sens", target), scores, truth)
    assert found == max(t for t in each if sensitivity(t) >= target)
    found = operating_threshold(Rule("target_spec", target), scores, truth)
    assert found == min(t for t in each if specificity(t) >= target)
    fpr, tpr, _ = roc_curve(truth, scores)
    found = operating_threshold(Rule("youden"), scores, truth)
    assert sensitivity(found) + specificity(found) - 1 == pytest.approx((tpr - fpr).max())
    costs = [3 * (scores[~truth] >= t).sum() + 7 * (scores[truth] < t).sum() for t in each]
    assert operating_threshold(Rule("cost", costs=(3, 7)), scores, truth) == each[int(np.argmin(costs))]


def test_m7_counts_that_divide_to_the_target_reach_it():
    # 19 of 20, 57 of 60: shares whose last bit may differ from that of .95.
    for count in (20, 60, 140, 380):
        scores = np.linspace(0.01, 0.99, count + 1)
        truth = np.arange(count + 1) > 0
        found = operating_threshold(Rule("target_sens", 0.95), scores, truth)
        assert (scores[truth] >= found).sum() == count * 19 // 20


def test_the_highest_scores_may_be_of_others():
    scores, truth = np.array([0.9, 0.8, 0.1]), np.array([False, True, False])
    found = operating_threshold(Rule("target_spec", 1.0), scores, truth)
    assert found == np.nextafter(0.9, 1)
    scores[0] = 1.0
    with pytest.raises(ConfigError, match="no threshold has it; the highest is 0.5000"):
        operating_threshold(Rule("target_spec", 1.0), scores, truth)
    for wrong in (np.zeros(3, bool), np.ones(3, bool)):
        with pytest.raises(ConfigError, match="no validation image of"):
            operating_threshold(Rule("youden"), scores, wrong)


@pytest.mark.parametrize(
    "word",
    [
        *("", "youden=1", "target_sens", "target_sens=", "target_sens=0", "target_sens=1.1", "target_sens=nan"),
        *("cost", "cost=1", "cost=1:0", "cost=-1:2", "cost=inf:1", "cost=1:2:3", "cost=nan:1", "best"),
    ],
)
def test_wrong_rules_are_one_line(word):
    with pytest.raises(ConfigError, match="--rule .*expected"):
        parse_rule(word)


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_of_classes_have_the_largest_f1_of_any(seed):
    random = np.random.default_rng(seed)
    targets = np.append(np.arange(4), random.integers(0, 4, 200))
    calibrated = np.round(random.dirichlet(np.ones(4), 204) + 0.2 * np.eye(4)[targets], 2)
    found = class_thresholds(calibrated, targets, list("abcd"))
    for k, threshold in enumerate(found):
        f1 = {t: f1_score(targets == k, calibrated[:, k] >= t) for t in np.unique(calibrated[:, k])}
        assert f1[threshold] == pytest.approx(max(f1.values()))
        assert threshold == min(t for t in f1 if f1[t] > max(f1.values()) - 1e-12 and t in calibrated[targets == k, k])


def test_a_class_without_images_has_no_threshold():
    with pytest.raises(ConfigError, match="class 'b' has no validation image, expected"):
        class_thresholds(np.array([[0.5, 0.5]]), np.array([0]), ["a", "b"])
    with pytest.raises(ConfigError, match="class 'a' has no validation image of a probability above 0"):
        class_thresholds(np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([0, 1]), ["a", "b"])


def test_the_area_under_risk_and_coverage_by_hand():
    # Of 1, 2, 3, 4 decided images 0, 1, 1, 1 are wrong.
    found = selective(np.array([0.6, 0.9, 0.7, 0.8]), np.array([True, True, True, False]))
    assert found.thresholds.tolist() == [0.9, 0.8, 0.7, 0.6]
    assert found.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found.risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])
    assert found.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_of_equal_confidence_all_orders_count_alike():
    right = np.array([True, False, True])
    found = selective(np.array([0.9, 0.5, 0.5]), right)
    assert found.coverage.tolist() == pytest.approx([1 / 3, 1]) and found.risk == pytest.approx([0, 1 / 3])
    # The wrong one second or third: (0 + 1/2 + 1/3) / 3 and (0 + 0 + 1/3) / 3.
    assert found.aurc == pytest.approx(((0 + 1 / 2 + 1 / 3) / 3 + (0 + 0 + 1 / 3) / 3) / 2)
    assert found.aurc == pytest.approx(selective(np.array([0.9, 0.5, 0.5]), right[[0, 2, 1]]).aurc)


@pytest.mark.parametrize(
    ("word", "threshold"),
    [
        ("coverage=0.5", 0.8),
        ("coverage=0.51", 0.7),
        ("coverage=1", 0.6),
        ("risk=0", 0.9),
        ("risk=0.25", 0.6),
        ("risk=0.3", 0.6),
        ("risk=0.24", 0.9),
    ],
)
def test_the_reject_option_by_hand(word, threshold):
    curve = selective(np.array([0.6, 0.9, 0.7, 0.8]), np.array([True, True, True, False]))
    assert reject_threshold(word, curve) == threshold


def test_a_risk_that_no_threshold_has_is_an_error():
    curve = selective(np.array([0.9, 0.8]), np.array([False, True]))
    with pytest.raises(ConfigError, match="--reject risk=0.4: no threshold has it; the least risk is 0.5000"):
        reject_threshold("risk=0.4", curve)
    for word in ("coverage", "coverage=0", "coverage=2", "risk=-1", "share=0.5", "risk=x"):
        with pytest.raises(ConfigError, match=f"--reject {word}: expected"):
            reject_threshold(word, curve)


def test_shares_are_read():
    assert share_of("--x", "0.5") == 0.5 and share_of("--x", "0", zero=True) == 0
