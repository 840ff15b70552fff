import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from cvrun.metric import Prediction
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
    ((row,), hidden) = slices(Prediction(probabilities, targets), ["one"] * 40).values()
    assert (row["correct"], row["images"]) == (36, 40)
    assert (round(row["low"], 3), round(row["high"], 3)) == (0.769, 0.960)
    assert hidden == {"values": 0, "images": 0}


def test_a_value_with_ten_images_is_shown_and_one_with_nine_is_not():
    prediction, _ = drawn(19)
    found = slices(prediction, ["ten"] * 10 + ["nine"] * 9)
    assert [row["value"] for row in found["slices"]] == ["ten"]
    assert found["hidden"] == {"values": 1, "images": 9}
