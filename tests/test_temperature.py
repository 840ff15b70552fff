"""Temperature and calibration: closed forms, scikit-learn, and numbers by hand."""

import math

import numpy as np
import pytest
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from cvrun.decision import tempered
from cvrun.errors import ConfigError
from cvrun.temperature import calibration, fit_temperature, recalibration


def test_m12_the_temperature_of_two_probabilities_has_a_closed_form():
    # All confident at .9 and right 7 of 10 times: sigmoid(logit(.9) / T) = .7.
    probabilities = np.tile(np.array([[0.1, 0.9]], np.float64), (10, 1)).astype(np.float32)
    targets = np.array([1] * 7 + [0] * 3)
    found = fit_temperature(probabilities, targets)
    assert found == pytest.approx(logit(0.9) / logit(0.7), rel=1e-5)
    assert tempered(probabilities, found)[0, 1] == pytest.approx(0.7, abs=1e-6)


def test_m12_the_temperature_by_which_logits_were_divided_is_found_again():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20_000, 5))
    targets = (softmax(logits, axis=1).cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1)
    found = fit_temperature(softmax(2.5 * logits, axis=1).astype(np.float32), targets)
    assert found == pytest.approx(2.5, rel=0.03)
    # No other is better.
    log_p = log_softmax(2.5 * logits, axis=1)

    def loss(temperature):
        return log_loss(targets, softmax(log_p / temperature, axis=1))

    assert loss(found) <= min(loss(found * 1.01), loss(found * 0.99), loss(1.0))


def test_without_a_minimum_there_is_no_temperature():
    right = np.array([[0.3, 0.7], [0.8, 0.2]], np.float32)
    with pytest.raises(ConfigError, match="all 2 validation images are right"):
        fit_temperature(right, np.array([1, 0]))
    with pytest.raises(ConfigError, match="say nothing about the labels"):
        fit_temperature(right, np.array([0, 1]))
    # Right at .500001 of 99 in 100: the minimum, logit(.500001) / logit(.99), is below what is searched.
    close = np.tile(np.array([[0.499999, 0.500001]], np.float32), (100, 1))
    with pytest.raises(ConfigError, match="no temperature from 0.01 to 100 is best"):
        fit_temperature(close, np.array([1] * 99 + [0]))


def test_m12_ece_and_brier_by_hand():
    # Confidences .9, .9, .6, .6 of the second class with hits 1, 0, 1, 1.
    probabilities = np.array([[0.1, 0.9], [0.1, 0.9], [0.4, 0.6], [0.4, 0.6]])
    found = calibration(probabilities, np.array([1, 0, 1, 1]))
    assert found["ece"] == pytest.approx(0.40)
    assert found["brier"] == pytest.approx(0.285)
    assert found["loss"] == pytest.approx(-(math.log(0.9) + math.log(0.1) + 2 * math.log(0.6)) / 4)


def test_m12_slope_and_intercept_of_two_groups_have_a_closed_form():
    # Said .2 and .9, happened in 3 of 10 and 7 of 10: a + b logit(.2) = logit(.3), a + b logit(.9) = logit(.7).
    said = np.array([0.2] * 10 + [0.9] * 10)
    happened = np.array([1] * 3 + [0] * 7 + [1] * 7 + [0] * 3)
    b = (logit(0.7) - logit(0.3)) / (logit(0.9) - logit(0.2))
    a = logit(0.7) - b * logit(0.9)
    assert recalibration(logit(said), happened == 1) == pytest.approx((a, b), rel=1e-5)
    found = calibration(np.column_stack([1 - said, said]), happened)
    assert (found["intercept"], found["slope"]) == pytest.approx((a, b), rel=1e-5)
    # Ten of each that happen as often as was said are calibrated.
    happened = np.array([1] * 2 + [0] * 8 + [1] * 9 + [0])
    assert recalibration(logit(said), happened == 1) == pytest.approx((0, 1), abs=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 30.0])
def test_m12_slope_and_intercept_are_those_of_scikit_learn(scale):
    random = np.random.default_rng(5)
    x = scale * random.normal(1, 2, 3000)
    happened = random.random(3000) < expit(0.4 + 0.7 * x / scale)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit((x / scale)[:, None], happened)
    expected = (float(theirs.intercept_[0]), float(theirs.coef_[0, 0]) / scale)
    assert recalibration(x, happened) == pytest.approx(expected, rel=1e-4)


def test_m12_of_many_classes_the_slope_is_that_of_being_right():
    random = np.random.default_rng(1)
    probabilities = softmax(random.normal(0, 2, (2000, 4)), axis=1)
    targets = np.where(random.random(2000) < 0.6, probabilities.argmax(axis=1), random.integers(0, 4, 2000))
    confidence = probabilities.max(axis=1)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
    theirs.fit(logit(confidence)[:, None], probabilities.argmax(axis=1) == targets)
    found = calibration(probabilities, targets)
    expected = (float(theirs.intercept_[0]), float(theirs.coef_[0, 0]))
    assert (found["intercept"], found["slope"]) == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ([1.0, 2.0, 3.0], [True, True, True]),
        ([1.0, 2.0, 3.0], [False, False, False]),
        ([2.0, 2.0, 2.0], [True, False, True]),
        ([1.0, 2.0, 3.0], [False, False, True]),
        ([1.0, 2.0, 3.0], [True, True, False]),
        ([1.0, 2.0, 2.0, 3.0], [False, False, True, True]),
    ],
)
def test_without_a_finite_maximum_there_is_no_slope(values, outcome):
    assert recalibration(np.array(values), np.array(outcome)) is None


def test_probabilities_of_one_have_a_slope_and_no_image_has_nothing():
    sure = np.array([[0.0, 1.0], [1.0, 0.0], [0.3, 0.7], [0.6, 0.4], [1.0, 0.0]])
    found = calibration(sure, np.array([0, 0, 1, 1, 1]))
    assert all(math.isfinite(value) for value in found.values())
    assert set(calibration(np.zeros((0, 3)), np.zeros(0, np.int64)).values()) == {None}
