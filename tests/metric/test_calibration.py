import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cvrun.metric import Prediction
from cvrun.metric._calibration import calibration_line


def of_second(second: list[float], truth: list[int]) -> Prediction:
    said = np.array(second, dtype=np.float32)
    return Prediction(np.stack([1 - said, said], axis=1), np.array(truth))


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_m12_with_two_probabilities_the_line_goes_through_both_rates() -> None:
    # At 0.9 three of four happen, at 0.2 one of four.
    found = calibration_line(of_second([0.9] * 4 + [0.2] * 4, [1, 1, 1, 0, 0, 0, 0, 1]))
    assert found["slope"] == pytest.approx((logit(0.75) - logit(0.25)) / (logit(0.9) - logit(0.2)), rel=1e-5)


def test_m12_with_one_probability_the_intercept_is_how_far_the_rate_lies_from_it() -> None:
    found = calibration_line(of_second([0.8] * 10, [1] * 6 + [0] * 4))
    assert found["intercept"] == pytest.approx(logit(0.6) - logit(0.8), rel=1e-5)
    assert found["slope"] is None


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_m12_what_is_said_too_surely_has_a_slope_below_one(factor: float) -> None:
    random = np.random.default_rng(0)
    odds = random.normal(size=20_000)
    happened = random.random(20_000) < 1 / (1 + np.exp(-odds))
    said = 1 / (1 + np.exp(-factor * odds))
    found = calibration_line(of_second(said.tolist(), happened.astype(int).tolist()))
    fitted = LogisticRegression(C=1e9, tol=1e-9).fit((factor * odds)[:, None], happened)
    assert found["slope"] == pytest.approx(fitted.coef_[0, 0], rel=1e-4)
    # 20,000 cases: the standard error of the slope over the true odds is about 0.02.
    assert found["slope"] * factor == pytest.approx(1.0, abs=0.07)
    assert found["intercept"] == pytest.approx(0.0, abs=0.1)


def test_m12_of_more_classes_it_is_that_of_hits_over_confidence() -> None:
    sure = [0.9] * 4 + [0.6] * 4
    rows = np.array([[p, (1 - p) / 2, (1 - p) / 2] for p in sure], dtype=np.float32)
    found = calibration_line(Prediction(rows, np.array([0, 0, 0, 1, 0, 2, 0, 1])))
    assert found["slope"] == pytest.approx((logit(0.75) - logit(0.5)) / (logit(0.9) - logit(0.6)), rel=1e-5)


def test_where_there_is_no_line_there_is_no_number() -> None:
    assert calibration_line(of_second([0.9, 0.2], [1, 1])) == {"slope": None, "intercept": None}
    assert calibration_line(of_second([math.nan, 0.2], [1, 0])) == {"slope": None, "intercept": None}
    apart = calibration_line(of_second([0.9, 0.7, 0.2], [1, 1, 0]))
    assert apart["slope"] is None and math.isfinite(apart["intercept"])
    certain = calibration_line(of_second([1.0, 1.0, 0.0, 0.0], [1, 0, 1, 0]))
    assert certain["slope"] == pytest.approx(0.0, abs=1e-6) and certain["intercept"] == pytest.approx(0.0, abs=1e-6)
