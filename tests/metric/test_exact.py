"""Metrics of images with any number of labels, against scikit-learn, and as functions of weights."""

import numpy as np
import pytest
from sklearn import metrics as sk

from cvrun.metric import Metric, Prediction
from cvrun.metric._exact import exact, over_all
from cvrun.metric._table import per_class, two_by_two, undefined
from cvrun.options import load, module_names, targets

NAMES = [name for name in module_names("metric") if "labels" in targets("metric", name)]


def prediction(num_images=80, num_labels=4, seed=0, share=0.3):
    rng = np.random.default_rng(seed)
    truth = (rng.random((num_images, num_labels)) < share).astype(np.int64)
    return Prediction(rng.random((num_images, num_labels), dtype=np.float32), truth)


def compute(name, found):
    module = load("metric", name)
    return Metric(name, module.MODE, module.values).compute(found)


def test_the_metrics_of_labels_are_these():
    macro = {"macro_f1", "macro_f2", "macro_f05", "macro_precision", "macro_recall", "macro_specificity", "macro_npv"}
    others = {"weighted_f1", "weighted_precision", "mean_average_precision", "roc_auc", "loss", "hamming_loss"}
    assert set(NAMES) == macro | others | {"micro_f1", "micro_precision", "micro_recall", "subset_accuracy"}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("labels", [1, 2, 5])
def test_h8_macro_and_weighted_means_are_those_of_scikit_learn(seed, labels):
    found = prediction(90, labels, seed)
    truth, given, scores = found.targets, found.labels, found.probabilities
    wanted = {
        "macro_f1": sk.f1_score(truth, given, average="macro"),
        "macro_f2": sk.fbeta_score(truth, given, beta=2, average="macro"),
        "macro_f05": sk.fbeta_score(truth, given, beta=0.5, average="macro"),
        "macro_precision": sk.precision_score(truth, given, average="macro"),
        "macro_recall": sk.recall_score(truth, given, average="macro"),
        "weighted_f1": sk.f1_score(truth, given, average="weighted"),
        "weighted_precision": sk.precision_score(truth, given, average="weighted"),
        "mean_average_precision": sk.average_precision_score(truth, scores, average="macro"),
        "roc_auc": sk.roc_auc_score(truth, scores, average="macro"),
        "loss": sk.log_loss(truth.ravel(), scores.astype(np.float64).ravel()),
        "macro_specificity": sk.recall_score(1 - truth, 1 - given, average="macro"),
        "macro_npv": sk.precision_score(1 - truth, 1 - given, average="macro"),
    }
    if labels == 1:
        # scikit-learn takes a single column for the two classes of one label.
        wanted = {name: wanted[name] for name in ("mean_average_precision", "roc_auc", "loss")}
    assert {name: compute(name, found) for name in wanted} == pytest.approx(wanted)


def test_h8_the_table_of_labels_is_that_of_scikit_learn():
    found = prediction(90, 5)
    rows = per_class(found)
    columns = sk.precision_recall_fscore_support(found.targets, found.labels)
    for name, column in zip(("precision", "recall", "f1", "support"), columns, strict=True):
        assert [row[name] for row in rows] == pytest.approx(column.tolist())
    for name, score in (("roc_auc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)):
        assert [row[name] for row in rows] == pytest.approx(score(found.targets, found.probabilities, average=None))


def test_each_label_has_the_2x2_table_of_scikit_learn():
    found = prediction(90, 5)
    assert two_by_two(found) == sk.multilabel_confusion_matrix(found.targets, found.labels).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_are_whole_numbers_are_images_that_come_as_often(name):
    whole = prediction(40, 3)
    weights = np.random.default_rng(5).integers(0, 3, (6, 40)).astype(np.float64)
    values = load("metric", name).values(whole, weights)
    assert values.shape == (6,) and values.dtype == np.float64
    for value, own in zip(values, weights, strict=True):
        times = own.astype(np.int64)
        repeated = Prediction(np.repeat(whole.probabilities, times, axis=0), np.repeat(whole.targets, times, axis=0))
        assert value == pytest.approx(compute(name, repeated), rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_prediction_has_the_best_value_of_its_mode(name):
    truth = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0]])
    best = {"max": 1.0, "min": 0.0}[load("metric", name).MODE]
    assert compute(name, Prediction(truth.astype(np.float32), truth)) == best


@pytest.mark.parametrize("name", NAMES)
def test_no_images_is_undefined(name):
    assert np.isnan(compute(name, Prediction(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64))))


def test_a_label_that_no_image_has_is_left_out_and_counted():
    truth = np.array([[1, 0], [0, 0], [1, 0]])
    found = Prediction(np.array([[0.9, 0.1], [0.2, 0.1], [0.4, 0.3]], dtype=np.float32), truth)
    row = per_class(found)[1]
    assert (row["support"], row["recall"], row["precision"], row["f1"], row["roc_auc"]) == (0, None, None, None, None)
    assert compute("macro_recall", found) == 0.5
    assert compute("macro_f1", found) == pytest.approx(2 / 3)
    missing = undefined(found)
    assert missing["macro_recall"] == missing["roc_auc"] == missing["mean_average_precision"] == 1
    assert "balanced_accuracy" not in missing


def test_of_two_labels_the_area_is_the_mean_of_both():
    found = prediction(60, 2)
    each = sk.roc_auc_score(found.targets, found.probabilities, average=None)
    assert compute("roc_auc", found) == pytest.approx(each.mean())


def test_a_probability_of_one_half_is_a_label():
    edge = np.array([[0.5, np.nextafter(np.float32(0.5), np.float32(0))]], dtype=np.float32)
    assert Prediction(edge, np.array([[1, 0]])).labels.tolist() == [[1, 0]]


def test_an_image_is_right_when_all_its_labels_are():
    found = Prediction(np.array([[0.9, 0.1], [0.9, 0.9]], dtype=np.float32), np.array([[1, 0], [1, 0]]))
    assert exact(found).tolist() == [True, False]
    one_class = Prediction(np.array([[0.9, 0.1], [0.1, 0.9]], dtype=np.float32), np.array([0, 0]))
    assert exact(one_class).tolist() == [True, False]


def test_counts_over_all_labels_are_sums():
    found = prediction()
    whole = over_all(found, found.once)
    both = int((found.targets & found.labels).sum())
    sums = [int(part[0, 0]) for part in (whole.right, whole.support, whole.predicted)]
    assert sums == [both, int(found.targets.sum()), int(found.labels.sum())]
