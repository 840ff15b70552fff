import numpy as np
import pytest

from cvrun.metric import Metric, Prediction, ece
from cvrun.metric._curves import pr_curve, reliability, risk_coverage, roc_curve
from cvrun.metric._ranking import ranking

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
TRUTH = np.array([True, False, True, True, False])


def drawn(count: int = 200, classes: int = 4) -> Prediction:
    random = np.random.default_rng(0)
    return Prediction(random.dirichlet(np.ones(classes), count).astype(np.float32), random.integers(0, classes, count))


def test_h12_the_area_under_the_roc_curve_is_two_thirds() -> None:
    curve = roc_curve(SCORES, TRUTH)
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(0.66667, abs=5e-6)
    assert np.all(np.diff(curve.thresholds) < 0)


def test_h12_the_steps_of_precision_and_recall_have_the_average_precision() -> None:
    curve = pr_curve(SCORES, TRUTH)
    assert (np.diff(curve.x) * curve.y[1:]).sum() == pytest.approx(0.80556, abs=5e-6)
    assert (curve.x[0], curve.y[0]) == (0, 1)
    assert (curve.x[-1], curve.y[-1]) == (1, 0.6)
    assert np.all(np.diff(curve.thresholds) < 0)


def test_the_curves_have_the_areas_of_the_ranking() -> None:
    prediction = drawn()
    area, precision = ranking(prediction, prediction.once)
    for k in range(4):
        scores, truth = prediction.probabilities[:, k], prediction.targets == k
        curve, steps = roc_curve(scores, truth), pr_curve(scores, truth)
        assert np.trapezoid(curve.y, curve.x) == pytest.approx(area[0, k])
        assert (np.diff(steps.x) * steps.y[1:]).sum() == pytest.approx(precision[0, k])


def test_without_both_kinds_there_is_no_curve() -> None:
    assert roc_curve(SCORES, np.ones(5, dtype=bool)) is None
    assert roc_curve(SCORES, np.zeros(5, dtype=bool)) is None
    assert pr_curve(SCORES, np.zeros(5, dtype=bool)) is None
    assert pr_curve(SCORES, np.ones(5, dtype=bool)).y.tolist() == [1.0] * 6


def test_m12_the_bins_of_the_worked_example() -> None:
    probabilities = np.array([[0.1, 0.9], [0.1, 0.9], [0.4, 0.6], [0.4, 0.6]], dtype=np.float32)
    rows = [row for row in reliability(Prediction(probabilities, np.array([1, 0, 1, 1])), 10) if row["images"]]
    assert [row["images"] for row in rows] == [2, 2]
    assert [row["confidence"] for row in rows] == pytest.approx([0.6, 0.9])
    assert [row["accuracy"] for row in rows] == [1.0, 0.5]


def test_m12_the_bins_have_the_calibration_error() -> None:
    prediction = drawn()
    rows = reliability(prediction)
    assert len(rows) == 15 and sum(row["images"] for row in rows) == 200
    empty = [row for row in rows if not row["images"]]
    assert empty and all(row["confidence"] is None and row["accuracy"] is None for row in empty)
    assert all(row["low"] < row["confidence"] <= row["high"] for row in rows if row["images"])
    distance = sum(row["images"] * abs(row["accuracy"] - row["confidence"]) for row in rows if row["images"]) / 200
    assert distance == pytest.approx(Metric("ece", ece.MODE, ece.values).compute(prediction))


def test_risk_falls_with_what_is_left_to_a_person() -> None:
    second = np.array([0.9, 0.8, 0.8, 0.6, 0.55], dtype=np.float32)
    prediction = Prediction(np.stack([1 - second, second], axis=1), np.array([1, 1, 0, 0, 1]))
    curve = risk_coverage(prediction)
    assert curve.x.tolist() == pytest.approx([1 / 5, 3 / 5, 4 / 5, 1])
    assert curve.y.tolist() == pytest.approx([0, 1 / 3, 2 / 4, 2 / 5])
    assert curve.thresholds.tolist() == pytest.approx([0.9, 0.8, 0.6, 0.55])


def test_at_full_coverage_the_risk_is_the_error_and_each_point_that_of_its_threshold() -> None:
    prediction = drawn()
    curve = risk_coverage(prediction)
    wrong, sure = prediction.labels != prediction.targets, prediction.probabilities.max(axis=1)
    assert (curve.x[-1], curve.y[-1]) == (1.0, wrong.mean())
    for x, y, threshold in zip(curve.x, curve.y, curve.thresholds, strict=True):
        decided = sure >= threshold
        assert (x, y) == pytest.approx((decided.mean(), wrong[decided].mean()))


def test_without_images_there_are_no_points() -> None:
    empty = Prediction(np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.int64))
    assert len(risk_coverage(empty).x) == 0
    assert {row["images"] for row in reliability(empty)} == {0}
