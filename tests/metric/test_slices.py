import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from cvrun.metric import Metric, Prediction, brier, kappa
from cvrun.metric._slices import LEAST, slices


def drawn(count=300, classes=3):
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(classes), count).astype(np.float32)
    return Prediction(probabilities, random.integers(0, classes, count).astype(np.int64)), random


def test_m17_each_slice_is_that_of_scikit_learn_and_they_sum_to_the_total():
    prediction, random = drawn()
    sites = random.choice(["b", "a", "c"], 300, p=[0.5, 0.48, 0.02])
    found = slices(prediction, sites.tolist())
    assert [row["value"] for row in found["slices"]] == ["a", "b"]
    for row in found["slices"]:
        inside = sites == row["value"]
        truth, labels = prediction.targets[inside], prediction.labels[inside]
        assert row["images"] == inside.sum()
        assert row["accuracy"] == pytest.approx(accuracy_score(truth, labels))
        assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, labels))
        assert row["low"] < row["accuracy"] < row["high"]
    few = int((sites == "c").sum())
    assert 0 < few < LEAST
    assert found["hidden"] == {"values": 1, "images": few}
    assert sum(row["images"] for row in found["slices"]) + few == 300
    right = sum(row["correct"] for row in found["slices"])
    assert right == (prediction.labels == prediction.targets)[sites != "c"].sum()


def test_m9_the_interval_of_a_slice_is_wilsons():
    targets = np.zeros(40, dtype=np.int64)
    probabilities = np.tile(np.array([[1, 0]], dtype=np.float32), (40, 1))
    probabilities[:4] = [0, 1]
    found = slices(Prediction(probabilities, targets), ["one"] * 40)
    (row,) = found["slices"]
    assert (row["correct"], row["images"]) == (36, 40)
    assert (round(row["low"], 3), round(row["high"], 3)) == (0.769, 0.960)
    assert found["hidden"] == {"values": 0, "images": 0}


def test_m17_the_worst_slice_is_that_of_the_lowest_value_which_may_be_another_for_each_metric(of_matrix):
    parts = {"a": of_matrix([[90, 0], [10, 0]]), "b": of_matrix([[40, 10], [10, 40]]), "c": of_matrix([[9, 0], [0, 0]])}
    joined = Prediction(
        np.concatenate([part.probabilities for part in parts.values()]),
        np.concatenate([part.targets for part in parts.values()]),
    )
    values = [name for name, part in parts.items() for _ in part.targets]
    measured = (Metric("kappa", kappa.MODE, kappa.values), Metric("brier", brier.MODE, brier.values))
    found = slices(joined, values, metrics=measured)
    # The nine images of c are hidden. Of kappa a has 0 and b (0.8 - 0.5) / 0.5.
    assert found["worst"] == {
        "accuracy": {"value": "b", "accuracy": 0.8},
        "balanced_accuracy": {"value": "a", "balanced_accuracy": 0.5},
        "kappa": {"value": "a", "kappa": 0.0},
        "brier": {"value": "b", "brier": pytest.approx(0.2)},
    }
    assert [row["kappa"] for row in found["slices"]] == pytest.approx([0.0, 0.6])


def test_where_no_slice_has_a_value_none_is_the_worst(of_matrix):
    alone = of_matrix([[20, 0], [0, 0]])
    found = slices(alone, ["one"] * 20, metrics=(Metric("kappa", kappa.MODE, kappa.values),))
    assert found["worst"]["kappa"] is None and found["slices"][0]["kappa"] is None
    assert slices(alone, [str(i) for i in range(20)])["worst"] == {"accuracy": None, "balanced_accuracy": None}


def test_a_value_with_ten_images_is_shown_and_one_with_nine_is_not():
    prediction, _ = drawn(19)
    found = slices(prediction, ["ten"] * 10 + ["nine"] * 9)
    assert [row["value"] for row in found["slices"]] == ["ten"]
    assert found["hidden"] == {"values": 1, "images": 9}
