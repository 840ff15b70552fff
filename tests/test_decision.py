"""A frozen decision: labels and probabilities by hand, and what a file may not hold."""

import json

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from cvrun.decision import Decision, parts, read, require_own, tempered
from cvrun.errors import CheckpointError

ABC = ("a", "b", "c")


def random_probabilities(classes: int, n: int = 400) -> np.ndarray:
    return softmax(np.random.default_rng(3).normal(0, 3, (n, classes)), axis=1).astype(np.float32)


@pytest.mark.parametrize("temperature", [0.2, 0.9, 1.0, 2.5, 20.0])
def test_m12_temperature_is_softmax_of_the_divided_logits_and_keeps_argmax_and_auc(temperature):
    logits = np.random.default_rng(0).normal(0, 1, (500, 2))
    probabilities = softmax(logits, axis=1)
    found = tempered(probabilities, temperature)
    assert np.allclose(found, softmax(logits / temperature, axis=1), atol=1e-12)
    targets = np.random.default_rng(1).integers(0, 2, 500)
    assert roc_auc_score(targets, found[:, 1]) == roc_auc_score(targets, probabilities[:, 1])
    many = random_probabilities(7)
    assert np.array_equal(tempered(many, temperature).argmax(axis=1), many.argmax(axis=1))


def test_probabilities_of_zero_and_one_stay_finite():
    found = tempered(np.array([[0.0, 1.0], [1e-45, 1.0]], np.float32), 3.0)
    assert np.isfinite(found).all() and np.allclose(found.sum(axis=1), 1)
    assert (found[:, 1] > 0.99).all()


def test_without_parts_the_label_is_the_most_probable():
    probabilities = random_probabilities(5)
    labels, calibrated = Decision(("a", "b", "c", "d", "e")).apply(probabilities)
    assert np.array_equal(labels, probabilities.argmax(axis=1))
    assert np.array_equal(calibrated, probabilities.astype(np.float64))


def test_the_operating_point_calls_from_the_threshold_on_and_else_the_best_of_the_others():
    decision = Decision(ABC, positive=1, threshold=0.25)
    labels, _ = decision.apply(np.array([[0.5, 0.25, 0.25], [0.3, 0.24, 0.46], [0.4, 0.2, 0.4], [0.0, 1.0, 0.0]]))
    assert labels.tolist() == [1, 2, 0, 1]


def test_thresholds_of_classes_divide_the_probabilities():
    decision = Decision(ABC, thresholds=(0.8, 0.2, 0.4))
    # 0.6/0.8 = 0.75 < 0.2/0.2 = 1; 0.7/0.8 = 0.875 > 0.75, 0.375.
    labels, _ = decision.apply(np.array([[0.6, 0.2, 0.2], [0.7, 0.15, 0.15]]))
    assert labels.tolist() == [1, 0]


def test_below_the_least_probability_an_image_is_rejected():
    labels, _ = Decision(ABC, least=0.6).apply(np.array([[0.6, 0.2, 0.2], [0.5, 0.3, 0.2], [0.0, 0.1, 0.9]]))
    assert labels.tolist() == [0, -1, 2]


def test_no_image_gives_no_label():
    labels, calibrated = Decision(ABC, temperature=2.0, least=0.5).apply(np.zeros((0, 3), np.float32))
    assert labels.shape == (0,) and calibrated.shape == (0, 3)


@pytest.mark.parametrize(
    "decision",
    [
        Decision(ABC, "w", 1.7, positive=2, threshold=0.1 + 0.2, least=1 / 3),
        Decision(ABC, "w", thresholds=(0.1, 0.7, 1.0)),
        Decision(ABC, "w"),
    ],
)
def test_what_is_written_is_read_to_the_last_bit(tmp_path, decision):
    path = tmp_path / "decision.json"
    path.write_text(json.dumps({"format": 1, **parts(decision), "more": 1}))
    assert read(path)[0] == decision
    assert read(path)[1]["more"] == 1


GOOD = {"format": 1, "classes": ["a", "b"], "weights": "w", "temperature": 2.0}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"format": 2}, "no decision of format 1"),
        ({"format": True}, "no decision of format 1"),
        ({"classes": "ab"}, "classes"),
        ({"classes": []}, "classes"),
        ({"classes": ["a", 1]}, "classes"),
        ({"weights": 5}, "weights"),
        ({"temperature": "2"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"temperature": []}, "temperature"),
        ({"operating_point": 3}, "operating_point"),
        ({"operating_point": {"class": "a"}}, "operating_point has no threshold"),
        ({"operating_point": {"class": "z", "threshold": 0.5}}, "operating_point"),
        ({"operating_point": {"class": ["a"], "threshold": 0.5}}, "operating_point"),
        ({"operating_point": {"class": "a", "threshold": 1.5}}, "operating_point"),
        ({"thresholds": [0.5]}, "thresholds"),
        ({"thresholds": [0.5, 0]}, "thresholds"),
        ({"thresholds": {"a": 1}}, "thresholds"),
        ({"thresholds": [0.5, 0.5], "operating_point": {"class": "a", "threshold": 0.5}}, "exclude each other"),
        ({"reject": {"threshold": None}}, "reject"),
        ({"reject": 0.5}, "reject"),
    ],
)
def test_a_file_that_was_changed_is_refused_in_one_line(tmp_path, change, part):
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(GOOD))
    assert read(path)[0].temperature == 2.0
    path.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(CheckpointError, match=part) as caught:
        read(path)
    assert "\n" not in str(caught.value) and "--no-decision" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[1]",
        b"null",
        b"\xff\xfe{",
        b"{",
        b"[" * 100_000,
        b'{"format": 1, "classes": ["a"], "weights": "w", "temperature": NaN}',
        b'{"format": 1, "classes": ["a"], "weights": "w", "temperature": 1e999}',
        b'{"format": 1, "classes": ["a"], "weights": "w", "temperature": ' + b"9" * 5000 + b"}",
        b" " * (17 << 20),
    ],
    ids=range(10),
)
def test_what_is_no_decision_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "decision.json"
    path.write_bytes(text)
    with pytest.raises(CheckpointError, match="expected what cvrun calibrate writes") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_one_for_other_weights_or_classes_is_refused(tmp_path):
    decision = Decision(ABC, "0123456789abcdef")
    require_own(tmp_path, decision, "0123456789abcdef", ABC)
    with pytest.raises(CheckpointError, match="fitted for weights 0123456789ab, expected those of these, ffff"):
        require_own(tmp_path, decision, "ffff", ABC)
    with pytest.raises(CheckpointError, match="classes"):
        require_own(tmp_path, decision, "0123456789abcdef", ("a", "b"))
