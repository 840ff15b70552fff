import re

import numpy as np

from cvrun.command._decided import class_rates
from cvrun.report.run_decision import decision, rates
from cvrun.report.run_record import RunRecord

CALIBRATION = {"loss": 0.5, "brier": 0.2, "ece": 0.1, "intercept": 0.0, "slope": 1.2}
HOSTILE = "<b>cat"


def figures():
    """The example of checklist H: 94 of 100 called positive rightly, 15 of 1,000 wrongly."""
    targets = np.repeat([0, 1], [1000, 100])
    labels = np.concatenate([np.repeat([0, 1], [985, 15]), np.repeat([0, 1], [6, 94])])
    return class_rates(labels, targets, ["no", HOSTILE])


def at(part):
    share = {"coverage": 0.9, "coverage_interval": [0.8, 0.95], "selective_accuracy": 0.97}
    share |= {"selective_accuracy_interval": [0.9, 0.99], "accuracy_of_all": 0.9}
    found = {
        "images": 1100,
        "decided": 990,
        "same_split": part == "val",
        "test_openings": 0,
        "per_class": figures(),
        "by_group": part == "val",
    }
    return {**found, **share, "calibration": {"before": CALIBRATION, "after": {**CALIBRATION, "ece": 0.01}}}


def text(found):
    record = RunRecord("r", {}, {}, [], {}, [], [], "", None, decision=found)
    return "".join(part.text for part in decision(record).body)


def cells(markup, name):
    rows = re.findall(rf'<tr><th scope="row"[^>]*>{re.escape(name)}</th>(.*?)</tr>', markup)
    return [cell for row in rows for cell in re.findall(r">([^<]+)</td>", row)]


def test_m8_the_likelihood_ratios_of_checklist_h_are_in_the_table():
    found = cells("".join(part.text for part in rates(figures(), "val")), "&lt;b&gt;cat")
    # LR+ = .94 / .015 = 62.67 and LR- = .06 / .985 = .0609, by hand.
    assert (found[0], found[1], found[-2], found[-1]) == ("100", "0.0909", "62.67", "0.06091")
    assert found[2].startswith("0.9400 (") and found[3].startswith("0.9850 (") and found[4].startswith("0.8624 (")


def test_m7_the_frozen_decision_is_shown_on_val_and_on_test():
    found = text({"frozen": "temperature 1.5", "note": "", "parts": {"val": at("val"), "test": at("test")}})
    assert "Frozen: temperature 1.5." in found
    assert found.count("fitted on these very images, so what follows is optimistic") == 1
    assert found.index("On the validation images") < found.index("optimistic") < found.index("On the test images")
    assert found.count("Decided: 990 of 1,100 images, coverage 0.9000 (0.800 to 0.950)") == 2
    assert found.count(">0.0100<") == 2 and found.count("those among the decided images") == 2


def test_without_a_decision_the_most_probable_class_is_measured():
    found = text({"frozen": None, "note": "", "parts": {"val": {"images": 1100, "per_class": figures()}}})
    assert "No decision is frozen" in found and "Calibration" not in found and "62.67" in found


def test_why_a_decision_is_not_used_is_said():
    found = text({"frozen": None, "note": "x <i>", "parts": {"val": {"images": 1, "per_class": figures()}}})
    assert "x &lt;i&gt;." in found


def test_of_many_classes_the_largest_are_shown():
    many = [{**figures()[1], "class": f"c{i}", "tp": i, "fn": 1} for i in range(300)]
    found = "".join(part.text for part in rates(many, "val"))
    assert "the 100 largest of 300 classes" in found and ">c299<" in found and ">c199<" not in found


def test_where_groups_are_not_known_it_is_said():
    found = {"frozen": "x", "note": "", "parts": {"val": at("val"), "test": at("test")}}

    def shown(groups):
        plan = {"data": {"groups": groups}}
        record = RunRecord("r", {}, plan, [], {}, [], [], "", None, decision=found)
        return "".join(part.text for part in decision(record).body).count("their groups are not known")

    # A group an image says nothing.
    assert (shown({"val": 5, "test": 5}), shown({"val": 5, "test": 1100}), shown({})) == (1, 0, 0)


def test_an_infinite_ratio_is_shown_and_explained():
    rows = class_rates(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]), ["cat", "dog"])
    markup = "".join(part.text for part in rates(rows, "val"))
    assert cells(markup, "cat")[-2:] == ["inf", "0.5"] and "LR+ is inf where no image" in markup
