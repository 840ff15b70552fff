"""A decision as text."""

import re

import numpy as np
import pytest

from cvrun.command._decided import class_rates
from cvrun.report.decision import (
    calibration_table,
    coverage_table,
    decision_text,
    in_words,
    infinite,
    rates_table,
    ratios,
)

NOTHING = {"temperature": None, "operating_point": None, "thresholds": None, "reject": None}
CALIBRATION = {"loss": 0.5, "brier": 0.25, "ece": 0.125, "intercept": None, "slope": 0.75}


def found(**change):
    return {
        **NOTHING,
        "fitted_images": 1200,
        "test_openings": 0,
        "same_split": False,
        "images": 10,
        "decided": 8,
        "coverage": 0.8,
        "coverage_interval": [0.49, 0.943],
        "selective_accuracy": None,
        "accuracy_of_all": 0.7,
        "per_class": [],
        "calibration": {"before": CALIBRATION, "after": {**CALIBRATION, "slope": 1.0}},
        **change,
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "nothing is changed"),
        ({"temperature": 1.25}, "temperature 1.25"),
        ({"operating_point": {"class": "a\x1b[31m", "threshold": 0.5}}, "'a\\x1b[31m' from 0.5 on"),
        ({"thresholds": [0.5, 0.5], "reject": {"threshold": 0.75}}, "a threshold a class, rejected below 0.75"),
    ],
)
def test_the_parts_are_said_in_one_line(change, words):
    assert in_words({**NOTHING, **change}) == words


def test_what_may_mislead_is_said():
    text = decision_text(found())
    assert "fitted on 1,200 validation images" in text
    assert "decided: 8 of 10 images, coverage 0.8000 (0.490 to 0.943)" in text
    assert "accuracy of the decided -, of all if none were rejected 0.7000" in text
    assert "among the decided images" in text
    assert "very split" not in text and "test set" not in text
    assert "fitted on this very split" in decision_text(found(same_split=True))
    assert "had opened a test set 1 time: no result on it is independent" in decision_text(found(test_openings=1))
    assert "opened a test set 2 times:" in decision_text(found(test_openings=2))
    assert "among the decided images" not in decision_text(found(decided=10))


def test_rates_have_a_row_a_class_and_undefined_ones_a_dash():
    rates = {
        "sensitivity": 0.5,
        "specificity": 1.0,
        "ppv": None,
        "npv": 0.25,
        "lr_positive": 62.666,
        "lr_negative": None,
    }
    intervals = {f"{name}_interval": [0.125, 0.875] for name in ("sensitivity", "specificity", "ppv", "npv")}
    row = {"class": "[bold]x", "tp": 3, "fn": 2000, "prevalence": 0.1, **rates, **intervals}
    lines = rates_table([row]).splitlines()
    assert re.split("  +", lines[1]) == ["class", "images", "prevalence", "sensitivity (95%)", "specificity (95%)"]
    assert re.split("  +", lines[3])[1:] == ["2,003", "0.1000", "0.5000 (0.125 to 0.875)", "1.0000 (0.125 to 0.875)"]
    assert re.split("  +", lines[5]) == ["class", "PPV (95%)", "NPV (95%)", "LR+", "LR-"]
    assert re.split("  +", lines[7])[-3:] == ["0.2500 (0.125 to 0.875)", "62.67", "-"]
    assert max(map(len, lines)) <= 80
    assert rates_table([]) == rates_table([row] * 26) == ""


def test_calibration_and_coverage_are_tables():
    lines = calibration_table({"before": CALIBRATION, "after": {**CALIBRATION, "slope": 1.0}}).splitlines()
    assert [line.split() for line in lines[3:]] == [
        ["loss", "0.5000", "0.5000"],
        ["brier", "0.2500", "0.2500"],
        ["ece", "0.1250", "0.1250", "0"],
        ["intercept", "-", "-", "0"],
        ["slope", "0.7500", "1.0000", "1"],
    ]
    text = coverage_table([{"coverage": 1.0, "risk": 0.25, "threshold": 0.5}], 0.0625)
    assert text.splitlines()[3].split() == ["1.0000", "0.2500", "0.5000"]
    assert text.endswith("(AURC) 0.0625\n")


def test_a_ratio_without_an_end_is_not_shown_as_an_undefined_one():
    # Of 4 images 2 are cats, and nothing else is called a cat: LR+ is 0.5 / 0, LR- is 0.5 / 1.
    rows = class_rates(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]), ["cat", "dog"])
    assert ratios(rows[0]) == ["inf", "0.5"]
    # A dog is always found, and half of the others are called one: LR+ is 1 / 0.5, LR- is 0 / 0.5.
    assert ratios(rows[1]) == ["2", "0"]
    assert infinite(rows) == "LR+ is inf where no image of another class is called it: few images may be why"
    assert infinite(rows) in rates_table(rows) and infinite(rows[1:]) == ""
    none = {"sensitivity": None, "specificity": 1.0, "lr_positive": None, "lr_negative": None}
    assert ratios(none) == ["-", "-"]
    # Nothing is found and nothing is called: 0 / 0 is undefined.
    assert ratios({**none, "sensitivity": 0.0, "lr_negative": 1.0}) == ["-", "1"]
    assert ratios({**none, "sensitivity": 0.5, "specificity": 0.0}) == ["-", "inf"]
