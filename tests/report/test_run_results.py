import re
import xml.etree.ElementTree as ElementTree

import pytest
from scipy.stats import binomtest

from cvrun.report.run_record import ClassCurves, Looked, RunRecord
from cvrun.report.run_results import classes, expected_calibration_error, opened, results

MATRIX = [[8, 2], [1, 9]]
DETAILS = {
    "metrics": {"accuracy": 0.85, "kappa": None},
    "per_class": [{"class": "cat", "f1": 0.8421}, {"class": "<b>dog", "f1": 0.8571}],
    "confusion_matrix": MATRIX,
    "intervals": {"accuracy": [0.640, 0.948]},
}
BINS = [
    {"low": 0.5, "high": 0.7, "images": 2, "confidence": 0.6, "accuracy": 1.0},
    {"low": 0.7, "high": 0.8, "images": 0, "confidence": None, "accuracy": None},
    {"low": 0.8, "high": 1.0, "images": 2, "confidence": 0.9, "accuracy": 0.5},
]


def looked(count=2):
    line = ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0])
    curves = [ClassCurves(f"class {i}", line, ([0.5, 1.0], [1.0, 0.5]), 1 - i / 100, 0.9) for i in range(count)]
    return Looked(20, curves, BINS, 3, [], [], "")


def record(details=DETAILS, part="val", found=None):
    return RunRecord("r", {}, {}, [], {part: details}, [], [], "", found)


def shown(section):
    return "".join(part.text for part in section.body)


def rows(text):
    root = ElementTree.fromstring(f"<x>{text}</x>")
    return [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]


def between(hits, total):
    found = binomtest(hits, total).proportion_ci(method="wilson")
    return f"{found.low:.3f} to {found.high:.3f}"


def test_m12_the_calibration_error_of_the_figure():
    assert expected_calibration_error(BINS) == pytest.approx(0.40)


def test_recall_and_precision_have_wilsons_intervals():
    (found,) = [row for row in rows("".join(part.text for part in classes(DETAILS))) if row[:2] == ["cat", "10"]]
    assert found == ["cat", "10", "0.8000", between(8, 10), "0.8889", between(8, 9), "0.8421"]


def test_the_confusion_matrix_has_counts_shades_and_the_diagonal():
    text = "".join(part.text for part in classes(DETAILS))
    assert re.findall(r'<td class="right heat(\d+)( self)?">(\d+)</td>', text) == [
        *(("8", " self", "8"), ("2", "", "2")),
        *(("1", "", "1"), ("9", " self", "9")),
    ]
    assert "<b>" not in text and "&lt;b&gt;dog" in text


def test_a_class_that_is_never_predicted_has_no_precision():
    details = {"per_class": [{"class": "a"}, {"class": "b"}], "confusion_matrix": [[3, 0], [2, 0]]}
    found = rows("".join(part.text for part in classes(details)))[-1]
    assert found[4:6] == ["-", "-"]


def test_too_many_classes_for_a_matrix_are_pairs():
    many = 30
    matrix = [[5 if i == j else 0 for j in range(many)] for i in range(many)]
    matrix[3][7], matrix[9][1] = 2, 4
    details = {"per_class": [{"class": f"c{i}"} for i in range(many)], "confusion_matrix": matrix}
    found = rows("".join(part.text for part in classes(details)))
    assert found[:3] == [["true", "predicted", "images"], ["c9", "c1", "4"], ["c3", "c7", "2"]]


def test_every_figure_is_drawn_and_an_undefined_metric_is_a_dash():
    text = shown(results(record(found=looked())))
    captions = re.findall(r"<figcaption>([^<]*)", text)
    assert [caption[:9] for caption in captions] == ["ROC and i", "Precision", "Reliabili"]
    assert "ECE 0.4000" in captions[2]
    assert ["kappa", "-", "-"] in rows(text)
    assert ["accuracy", "0.8500", "0.640 to 0.948"] in rows(text)


def test_of_many_classes_the_curves_of_least_area_are_drawn():
    text = shown(results(record(found=looked(20))))
    assert "8 of 20 classes, of least area" in text
    assert "class 19: 0.810" in text and "class 0: 1.000" not in text


def test_the_test_images_have_a_section_where_they_were_measured():
    assert opened(record()) == []
    (section,) = opened(record(part="test"))
    assert "0.8500" in shown(section)


def test_what_a_mean_leaves_out_is_said():
    text = shown(results(record({**DETAILS, "undefined": {"macro_precision": 2, "macro_recall": 0}})))
    assert "leaves them out: macro_precision 2." in text
    assert "leaves them out" not in shown(results(record({**DETAILS, "undefined": {"macro_recall": 0}})))


def test_m9_what_intervals_are_over_is_said_and_few_units_are_noted():
    def said(units):
        found = {"unit": "group", "units": units, "resamples": 2000}
        return shown(results(record({**DETAILS, "uncertainty": found})))

    assert "Intervals over 59 groups: of accuracy Wilson&#x27;s, of the others by the bootstrap" in said(59)
    assert "fewer than 50, so they are probably too narrow" in said(49) and "fewer than 50" not in said(59)
    assert "`cvrun eval r` gives the metrics intervals" in shown(results(record()))
    assert "`cvrun eval r` gives" in shown(results(record({**DETAILS, "uncertainty": {"units": "x"}})))
