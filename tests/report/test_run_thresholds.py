import re

from cvrun.report.run_record import ClassCurves, Looked, Risk
from cvrun.report.run_thresholds import risk_coverage, thresholds


def row(threshold, tp, fp, fn, tn):
    rates = {"sensitivity": tp / (tp + fn), "specificity": tn / (tn + fp), "fpr": fp / (tn + fp)}
    return {"threshold": threshold, "tp": tp, "fp": fp, "fn": fn, "tn": tn, "ppv": None, "npv": None, **rates}


def looked(names):
    curves = [ClassCurves(name, None, None, None, None) for name in names]
    known = {name: [row(0.1, 9, 5, 1, 15), row(0.5, 8, 0, 2, 20)] for name in names}
    return Looked(30, curves, [], 2, [], [], "", known)


def text(parts):
    return "".join(part.text for part in parts)


def test_h15_of_two_classes_the_table_of_the_second_is_open_with_a_figure():
    found = text(thresholds(looked(["no", "<b>yes"])))
    assert found.count("<table") == 2 and "&lt;b&gt;yes against the rest" in found and "no against" not in found
    assert "Sensitivity and specificity of &lt;b&gt;yes over the threshold" in found
    (cells,) = re.findall(r"<tr><th[^>]*>0.1</th>(.*?1.*?)</tr>", found.split("against the rest, at")[-1])
    shown = re.findall(r">([^<]+)</td>", cells)
    assert shown == ["9", "5", "1", "15", "0.2500", "0.9000", "0.7500", "-", "-"]


def test_h15_of_more_classes_each_has_its_own_folded_table():
    found = text(thresholds(looked(["a", "b", "c"])))
    assert found.count("<summary>Thresholds of") == 3 and "<svg" not in found


def test_risk_and_coverage_say_what_a_reject_option_gains():
    risk = Risk([0.25, 0.5, 0.9, 1.0], [0.0, 0.1, 0.2, 0.3], [0.99, 0.9, 0.6, 0.4], 0.1234)
    found = risk_coverage(risk).text
    assert "area 0.1234" in found
    # The first point that decides at least 0.7, 0.8 and 0.9 is one and the same.
    assert re.findall(r'<tr><th scope="row"[^>]*>([^<]*)', found) == ["1.0000", "0.9000", "0.5000"]
    assert "0.6000" in found


def test_where_no_image_is_wrong_the_figure_is_drawn():
    assert "<polyline" in risk_coverage(Risk([0.5, 1.0], [0.0, 0.0], [0.9, 0.8], 0.0)).text
