import numpy as np
import pytest
from sklearn import metrics

from cvrun.metric._curves import roc_curve
from cvrun.metric._threshold import at_threshold, rates

SCORES = np.repeat([0.9, 0.9, 0.1, 0.1], [40, 10, 20, 930])
TRUTH = np.repeat([True, False, True, False], [40, 10, 20, 930])


def test_h1_to_h11_the_worked_example() -> None:
    found = at_threshold(SCORES, TRUTH, 0.5)
    assert [found[name] for name in ("tp", "tn", "fp", "fn")] == [40, 930, 10, 20]
    expected = {
        "sensitivity": 0.66667,
        "ppv": 0.80000,
        "npv": 0.97895,
        "f1": 0.72727,
        "f2": 0.68966,
        "f05": 0.76923,
        "specificity": 0.98936,
        "fpr": 0.01064,
        "fnr": 0.33333,
        "accuracy": 0.97000,
        "balanced_accuracy": 0.82801,
        "mcc": 0.71485,
        "youden": 0.66667 + 0.98936 - 1,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-5)


def test_m8_likelihood_ratios_of_the_worked_example() -> None:
    found = rates(40, 10, 20, 930)
    assert (round(found["lr_positive"], 2), round(found["lr_negative"], 4)) == (62.67, 0.3369)


def test_e2_balanced_accuracy_is_not_what_the_seed_says() -> None:
    found = rates(tp=40, fp=10, fn=20, tn=930)
    assert found["fnr"] == 20 / 60
    assert round(found["balanced_accuracy"], 4) == 0.8280
    assert round(20 / (930 + 40), 4) == 0.0206


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_agrees_with_scikit_learn(threshold: float) -> None:
    random = np.random.default_rng(0)
    truth, scores = random.random(200) < 0.3, random.random(200)
    labels = scores >= threshold
    found = at_threshold(scores, truth, threshold)
    expected = {
        "sensitivity": metrics.recall_score(truth, labels),
        "ppv": metrics.precision_score(truth, labels),
        "mcc": metrics.matthews_corrcoef(truth, labels),
        "f2": metrics.fbeta_score(truth, labels, beta=2),
        "f05": metrics.fbeta_score(truth, labels, beta=0.5),
        "lr_positive": metrics.class_likelihood_ratios(truth, labels)[0],
        "lr_negative": metrics.class_likelihood_ratios(truth, labels)[1],
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_a_score_at_the_threshold_is_called_positive() -> None:
    assert at_threshold(np.array([0.5]), np.array([True]), 0.5)["tp"] == 1


def test_h15_moving_the_threshold_traces_the_roc_curve() -> None:
    random = np.random.default_rng(1)
    truth, scores = random.random(60) < 0.4, random.random(60).round(1)
    curve = roc_curve(scores, truth)
    for x, y, threshold in zip(curve.x, curve.y, curve.thresholds, strict=True):
        found = at_threshold(scores, truth, threshold)
        assert (found["fpr"], found["sensitivity"]) == pytest.approx((x, y))


def test_h15_half_of_a_probability_is_zero_of_a_logit() -> None:
    random = np.random.default_rng(2)
    logits, truth = random.normal(size=100), random.random(100) < 0.5
    assert at_threshold(1 / (1 + np.exp(-logits)), truth, 0.5) == at_threshold(logits, truth, 0.0)


def test_what_is_undefined_is_none_and_an_empty_margin_of_mcc_zero() -> None:
    none_ill = rates(0, 2, 0, 8)
    undefined = ("sensitivity", "fnr", "balanced_accuracy", "youden", "lr_positive", "lr_negative")
    assert [none_ill[name] for name in undefined] == [None] * 6
    assert none_ill["mcc"] == 0.0 and none_ill["specificity"] == 0.8
    assert set(rates(0, 0, 0, 0).values()) == {None}
