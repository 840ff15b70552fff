"""What comes of a decision on a split."""

import json

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score
from torch import nn

from cvrun.command._decided import Frozen, at_decision, class_rates, frozen, require_plain
from cvrun.decision import Decision, parts
from cvrun.errors import CheckpointError, ConfigError
from cvrun.folder import RunFolder
from cvrun.interval import wilson
from cvrun.trainer.digest import digest
from cvrun.tta import d4
from cvrun.tta import none as plain


def test_m8_rates_of_the_checklist_with_wilsons_intervals():
    # TP 40, FP 10, FN 20, TN 930.
    targets = np.array([1] * 60 + [0] * 940)
    labels = np.array([1] * 40 + [0] * 20 + [1] * 10 + [0] * 930)
    row = class_rates(labels, targets, ("well", "ill"))[1]
    assert (row["class"], row["tp"], row["fp"], row["fn"], row["tn"]) == ("ill", 40, 10, 20, 930)
    assert row["lr_positive"] == pytest.approx(62.67, abs=0.005)
    assert row["lr_negative"] == pytest.approx(0.3369, abs=0.00005)
    assert row["prevalence"] == 0.06
    assert (row["sensitivity"], row["ppv"]) == pytest.approx((2 / 3, 0.8))
    assert (row["specificity"], row["npv"]) == pytest.approx((93 / 94, 93 / 95))
    counts = {"sensitivity": (40, 60), "specificity": (930, 940), "ppv": (40, 50), "npv": (930, 950)}
    for name, (hits, total) in counts.items():
        assert row[f"{name}_interval"] == list(wilson(hits, total))


def test_m8_rates_of_many_classes_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    targets, labels = random.integers(0, 4, 500), random.integers(0, 4, 500)
    rows = class_rates(labels, targets, tuple("abcd"))
    assert [row["sensitivity"] for row in rows] == pytest.approx(list(recall_score(targets, labels, average=None)))
    assert [row["ppv"] for row in rows] == pytest.approx(list(precision_score(targets, labels, average=None)))
    for k, row in enumerate(rows):
        assert row["specificity"] == pytest.approx(recall_score(targets != k, labels != k))


def test_what_is_undefined_is_none():
    row = class_rates(np.array([0, 0]), np.array([0, 0]), ("a", "b"))[1]
    assert (row["sensitivity"], row["ppv"], row["lr_positive"], row["specificity"]) == (None, None, None, 1.0)
    assert row["sensitivity_interval"] == [0.0, 1.0]
    (empty,) = class_rates(np.zeros(0, np.int64), np.zeros(0, np.int64), ("a",))
    assert empty["prevalence"] is None


def test_coverage_and_the_accuracy_of_what_is_decided():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.45, 0.55], [0.6, 0.4]], np.float32)
    targets = np.array([0, 0, 0, 0])
    found = Frozen(Decision(("a", "b"), least=0.58), 7, 2)
    result = at_decision(found, probabilities, targets, same_split=False)
    assert (result["images"], result["decided"], result["coverage"]) == (4, 3, 0.75)
    assert result["selective_accuracy"] == pytest.approx(2 / 3) and result["accuracy_of_all"] == 0.5
    assert result["coverage_interval"] == list(wilson(3, 4))
    assert (result["fitted_images"], result["test_openings"], result["same_split"]) == (7, 2, False)
    nothing = at_decision(Frozen(Decision(("a", "b"), least=0.99), 7, 0), probabilities, targets, False)
    assert (nothing["decided"], nothing["selective_accuracy"]) == (0, None)


def test_a_decision_is_that_of_its_weights(tmp_path):
    model, other = nn.Linear(2, 2), nn.Linear(2, 2)
    folder = RunFolder(tmp_path)
    assert frozen(folder, model, ("a", "b")) is None
    decision = Decision(("a", "b"), digest(model.state_dict()), temperature=2.0)
    content = {"format": 1, **parts(decision), "images": 5, "test_openings": "many"}
    (tmp_path / "decision.json").write_text(json.dumps(content))
    assert frozen(folder, model, ("a", "b")) == Frozen(decision, 5, 0)
    with pytest.raises(CheckpointError, match="was fitted for weights"):
        frozen(folder, other, ("a", "b"))
    with pytest.raises(CheckpointError, match="classes"):
        frozen(folder, model, ("b", "a"))


def test_probabilities_of_several_views_are_others():
    require_plain(plain.build(plain.Config()))
    with pytest.raises(ConfigError, match="expected --tta none; --no-decision"):
        require_plain(d4.build(d4.Config(merge="mean")))
