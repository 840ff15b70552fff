"""What a finished run prints."""

import json

import pytest

from cvrun.report.summary import (
    class_table,
    confusion_table,
    disclosure,
    left_out,
    metric_table,
    number,
    summary,
)

STATUS = {
    "state": "finished",
    "reason": "all 1,200 steps are done",
    "monitor": "val/accuracy",
    "score": 0.98765,
    "best_step": 1100,
    "epochs": 12.0,
    "seconds": 34.56,
    "metrics": {"val/accuracy": 0.98765, "val/loss": None},
}
ROWS = [{"class": "cat", "support": 1234, "precision": 0.5, "recall": None, "f1": float("nan")}]


def test_the_lines_in_order(tmp_path):
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "val.json").write_text(json.dumps({"per_class": ROWS[:1]}))
    assert summary(tmp_path, STATUS, "a note").splitlines() == [
        f"{tmp_path}: finished (all 1,200 steps are done); a note",
        "best val/accuracy 0.9877 at step 1,100; 12.0 epochs in 34.6 s",
        "",
        "metric         value",
        "────────────────────",
        "val/accuracy  0.9877",
        "val/loss           -",
        "",
        "class  images  precision  recall  f1",
        "────────────────────────────────────",
        "cat     1,234     0.5000       -   -",
    ]


def test_means_over_some_classes_say_so(tmp_path):
    said = "classes without a value, left out of a mean: macro_precision 9, roc_auc 1,000"
    assert left_out({"macro_precision": 9, "roc_auc": 1000}) == f"\n{said}\n"
    assert left_out({}) == ""
    (tmp_path / "predictions").mkdir()
    details = {"per_class": ROWS, "undefined": {"macro_precision": 9, "roc_auc": 1000}}
    (tmp_path / "predictions" / "val.json").write_text(json.dumps(details))
    assert summary(tmp_path, STATUS).splitlines()[-2:] == ["", said]


def test_what_was_done_about_the_classes_is_a_line(tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text("imbalance:\n  line: training images 90/10 (9.0 to 1)\n")
    assert summary(tmp_path, STATUS).splitlines()[2] == "imbalance: training images 90/10 (9.0 to 1)"
    assert disclosure(tmp_path) == "training images 90/10 (9.0 to 1)"


@pytest.mark.parametrize(
    "text", ["", "- 1", "imbalance: 3", "imbalance: {line: 3}", "imbalance: {line: ''}", "{", "a: b"]
)
def test_a_plan_that_says_nothing_of_it_adds_no_line(text, tmp_path):
    assert disclosure(tmp_path) == ""
    (tmp_path / "plan.yaml").write_text(text)
    assert disclosure(tmp_path) == ""


def test_without_a_score_there_is_one_line(tmp_path):
    text = summary(tmp_path, {"state": "interrupted", "reason": "stopped by a signal", "score": None})
    assert text == f"{tmp_path}: interrupted (stopped by a signal)\n"


def test_test_time_augmentation_is_a_column():
    text = metric_table({"val/accuracy": 0.5, "val/loss": 1.0, "val/tta/accuracy": 0.75, "val/tta/loss": None})
    assert [line.split() for line in text.splitlines()] == [
        ["metric", "value", "with", "tta"],
        ["─" * len(text.splitlines()[1])],
        ["val/accuracy", "0.5000", "0.7500"],
        ["val/loss", "1.0000", "-"],
    ]


def test_too_many_classes_are_left_to_the_files():
    row = {"support": 1, "precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert len(class_table([{"class": i, **row} for i in range(25)]).splitlines()) == 28
    assert class_table([{"class": i, **row} for i in range(26)]) == ""
    assert class_table([]) == ""


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (float("nan"), "-"), (0.12345, "0.1235"), (1.0, "1.0000")])
def test_numbers_have_four_digits(value, text):
    assert number(value) == text


def test_the_confusion_matrix_has_a_row_for_each_true_class():
    rows = [{"class": "cat"}, {"class": "dog"}]
    assert confusion_table(rows, [[1200, 0], [3, 4]]).splitlines() == [
        "",
        "true \\ predicted    cat  dog",
        "────────────────────────────",
        "cat               1,200    -",
        "dog                   3    4",
    ]


def test_a_confusion_matrix_that_is_too_wide_is_left_to_the_files():
    assert confusion_table([{"class": str(i)} for i in range(13)], [[0] * 13] * 13) == ""


def test_details_of_wrong_kinds_are_no_tables(tmp_path):
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "val.json").write_text('{"per_class": "abc", "undefined": [1]}')
    text = summary(tmp_path, STATUS)
    assert "val/accuracy" in text and "class" not in text
