import numpy as np
import pytest
from sklearn import metrics

from cvrun.command._looked import MOST_CASES, looked_at
from cvrun.errors import CheckpointError
from cvrun.report.run_results import expected_calibration_error


def saved(path, probabilities, targets, classes, ids=None):
    ids = [f"{i}.png" for i in range(len(targets))] if ids is None else ids
    content = {"probabilities": np.array(probabilities, np.float32), "targets": np.array(targets, np.int64)}
    np.savez(path, **content, ids=np.array(ids, np.str_), classes=np.array(classes, np.str_))
    return path


def no_pictures(ids):
    return {}, "none wanted"


def test_m12_bins_give_the_calibration_error_of_the_row(tmp_path):
    # Confidence .9, .9, .6, .6 with hits 1, 0, 1, 1: ECE .40.
    p = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]]
    found = looked_at(saved(tmp_path / "val.npz", p, [0, 1, 0, 0], ["a", "b"]), no_pictures)
    assert expected_calibration_error(found.reliability) == pytest.approx(0.40, abs=1e-6)


def test_the_worst_and_the_most_confident_errors(tmp_path):
    p = [[0.9, 0.1], [0.2, 0.8], [0.45, 0.55], [0.99, 0.01], [0.7, 0.3]]
    asked = []

    def pictures(ids):
        asked.append(list(ids))
        return {"1.png": b"P"}, ""

    found = looked_at(saved(tmp_path / "val.npz", p, [0, 0, 0, 0, 1], ["a", "b"]), pictures)
    assert [case.id for case in found.worst] == ["1.png", "4.png", "2.png", "0.png", "3.png"]
    assert [case.id for case in found.confident] == ["1.png", "4.png", "2.png"]
    first = found.worst[0]
    assert (first.true, first.predicted, first.picture, found.errors, found.images) == ("a", "b", b"P", 3, 5)
    assert (first.p_true, first.p_predicted, first.loss) == pytest.approx((0.2, 0.8, -np.log(0.2)))
    assert asked == [["1.png", "4.png", "2.png", "0.png", "3.png"]]


def test_areas_are_scikit_learns_and_a_class_without_images_has_none(tmp_path):
    random = np.random.default_rng(0)
    p = random.dirichlet([1, 1, 1], 3000)
    targets = random.integers(0, 2, 3000)
    found = looked_at(saved(tmp_path / "val.npz", p, targets, ["a", "b", "c"]), no_pictures)
    for k in (0, 1):
        scores = p[:, k].astype(np.float32)
        assert found.curves[k].roc_auc == pytest.approx(metrics.roc_auc_score(targets == k, scores))
        assert found.curves[k].average_precision == pytest.approx(metrics.average_precision_score(targets == k, scores))
        x, y = found.curves[k].roc
        assert len(x) <= 200 and (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
        # Thinned, it encloses about the same area.
        assert metrics.auc(x, y) == pytest.approx(found.curves[k].roc_auc, abs=0.005)
    assert (found.curves[2].roc, found.curves[2].pr, found.curves[2].roc_auc) == (None, None, None)


def test_a_probability_of_zero_has_a_finite_loss(tmp_path):
    found = looked_at(saved(tmp_path / "val.npz", [[0, 1]] * 20, [0] * 20, ["a", "b"]), no_pictures)
    assert len(found.worst) == MOST_CASES
    assert found.worst[0].loss == pytest.approx(-np.log(np.finfo(np.float32).tiny))


def test_without_predictions_there_is_nothing(tmp_path):
    assert looked_at(tmp_path / "val.npz", no_pictures) is None


def test_a_damaged_file_is_one_line(tmp_path):
    path = tmp_path / "val.npz"
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(CheckpointError, match="damaged"):
        looked_at(path, no_pictures)
    saved(path, [[0.5, 0.5]], [0], ["a", "b", "c"])
    with pytest.raises(CheckpointError, match="shapes do not fit"):
        looked_at(path, no_pictures)


def test_h15_every_threshold_is_a_point_of_the_roc_curve(tmp_path):
    random = np.random.default_rng(2)
    targets = random.integers(0, 2, 4000)
    logits = random.normal(targets - 0.5, 1.2)
    # In float32, as they are saved.
    positive = (1 / (1 + np.exp(-logits))).astype(np.float32).astype(np.float64)
    found = looked_at(
        saved(tmp_path / "val.npz", np.stack([1 - positive, positive], 1), targets, ["a", "b"]), no_pictures
    )
    fpr, tpr, at = metrics.roc_curve(targets, positive, drop_intermediate=False)
    for row in found.thresholds["b"]:
        # The last point whose threshold is not below; 0.5 of a probability is a logit of 0.
        place = np.flatnonzero(at >= row["threshold"])[-1]
        assert (row["fpr"], row["sensitivity"]) == (pytest.approx(fpr[place]), pytest.approx(tpr[place]))
    (half,) = [row for row in found.thresholds["b"] if row["threshold"] == 0.5]
    assert half["tp"] == np.count_nonzero((logits >= 0) & (targets == 1))


def test_the_risk_at_full_coverage_is_the_error_and_at_the_least_that_of_the_surest(tmp_path):
    p = [[0.99, 0.01], [0.1, 0.9], [0.8, 0.2], [0.4, 0.6]]
    found = looked_at(saved(tmp_path / "val.npz", p, [0, 1, 1, 0], ["a", "b"]), no_pictures).risk
    # By hand: the two surest are right, the third and the fourth are wrong.
    assert found.coverage == [0.25, 0.5, 0.75, 1.0]
    assert found.risk == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert found.aurc == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)


def test_m19_false_negatives_and_false_positives_of_few_classes_are_sorted(tmp_path):
    random = np.random.default_rng(3)
    p = random.dirichlet([1, 1, 1], 200).astype(np.float32)
    targets = random.integers(0, 3, 200)
    asked = []
    path = saved(tmp_path / "val.npz", p, targets, ["a", "b", "c"])
    found = looked_at(path, lambda ids: (asked.extend(ids) or {}, "none wanted"))
    labels = p.argmax(1)
    for k, name in enumerate("abc"):
        missed, false = found.calls[name]
        assert len(missed) == len(false) == 6
        rows = [int(case.id.split(".")[0]) for case in missed]
        assert rows == sorted(np.flatnonzero((targets == k) & (labels != k)), key=lambda i: p[i, k])[:6]
        rows = [int(case.id.split(".")[0]) for case in false]
        assert rows == sorted(np.flatnonzero((targets != k) & (labels == k)), key=lambda i: -p[i, k])[:6]
        assert {case.id for case in (*missed, *false)} <= set(asked)
    assert len(asked) == len(set(asked))
    four = saved(tmp_path / "four.npz", [[0.4, 0.2, 0.2, 0.2]], [1], ["a", "b", "c", "d"])
    assert looked_at(four, no_pictures).calls == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"probabilities": np.array([[np.nan, 0.5]])},
        {"probabilities": np.array([["a", "b"]])},
        {"targets": np.array([5])},
        {"targets": np.array([0.5])},
        {"classes": np.array([1, 2])},
        {"ids": np.array([3])},
        {"ids": np.array(["x"], object)},
    ],
)
def test_arrays_that_are_no_predictions_are_one_line(tmp_path, changed):
    whole = {"ids": np.array(["x"]), "targets": np.array([0]), "probabilities": np.array([[0.5, 0.5]])}
    np.savez(tmp_path / "val.npz", **{**whole, "classes": np.array(["a", "b"]), **changed})
    with pytest.raises(CheckpointError, match="damaged") as caught:
        looked_at(tmp_path / "val.npz", no_pictures)
    assert "pickle" not in str(caught.value)
