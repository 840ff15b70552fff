import numpy as np

from cvrun.metric import Prediction
from cvrun.metric._slices import slices as sliced
from cvrun.report.run_record import RunRecord
from cvrun.report.run_slices import slices

MADE = {"name": "r"}


def found(note=""):
    # Site <i>b: 6 of 12 right; a: 20 of 20; c has 3 images.
    targets = np.zeros(35, np.int64)
    wrong = np.r_[np.zeros(20, bool), np.repeat([True, False], 6), np.zeros(3, bool)]
    probabilities = np.where(wrong[:, None], [0.1, 0.9], [0.9, 0.1]).astype(np.float32)
    values = ["a"] * 20 + ["<i>b"] * 12 + ["c"] * 3
    rows = [{"metric": "accuracy", "images": 29 / 35, "groups": 5 / 6, "undefined": 0}]
    rows.append({"metric": "roc_auc", "images": None, "groups": None, "undefined": 3})
    by = {"site": sliced(Prediction(probabilities, targets), values)}
    return {"by": by, "note": note, "aggregation": {"groups": 3, "rows": rows}}


def text(given, plan=MADE):
    record = RunRecord("r", {}, plan, [], {}, [], [], "", None, slices=given)
    return "".join(part.text for part in slices(record).body)


def test_m17_the_worst_group_is_named_and_small_ones_are_hidden():
    shown = text(found())
    assert "Worst of 2 values: accuracy 0.5000 (&lt;i&gt;b), balanced accuracy 0.5000 (&lt;i&gt;b)." in shown
    assert "Hidden, with fewer than 10 images each: 1 of the values, with together 3 images." in shown
    assert ">c<" not in shown and ">20<" in shown


def test_m14_what_is_averaged_over_what_is_stated_with_the_undefined():
    shown = text(found())
    assert "groups without a value" in shown and ">0.8286<" in shown and ">0.8333<" in shown and ">3<" in shown
    none = {"by": {}, "note": "", "aggregation": {"groups": 0, "rows": []}}
    assert "Nothing is averaged over groups: the data has none." in text(none)
    many = {"groups": 5000, "rows": [{"metric": "accuracy", "images": 0.9, "groups": None, "undefined": None}]}
    assert "Means over groups are left out" in text({"by": {}, "note": "", "aggregation": many})


def test_why_a_column_is_missing_is_said():
    assert "Not by the column: gone &lt;x." in text(found("Not by the column: gone <x"))


def test_without_predictions_there_are_none():
    assert "no predictions" in text({})


def test_of_many_groups_the_worst_are_open_and_the_others_folded():
    row = {"images": 10, "low": 0.1, "high": 0.9, "balanced_accuracy": None}
    rows = [{**row, "value": f"g{i:02}", "accuracy": i / 30} for i in range(30)]
    by = {"group": {"slices": rows, "hidden": {"values": 0, "images": 0}, "worst": {"accuracy": None}}}
    shown = text({"by": by, "note": "", "aggregation": {"groups": 0, "rows": []}})
    open_part, folded_part = shown.split("<details>")
    assert ">g09<" in open_part and ">g10<" not in open_part and "the 10 of least accuracy of 30" in open_part
    assert ">g29<" in folded_part and "Hidden" not in shown


def test_without_a_plan_it_is_not_known_whether_there_are_groups():
    shown = text({"by": {}, "note": "", "aggregation": {"groups": 0, "rows": []}}, {})
    assert "Not known" in shown and "no groups" not in shown and "has none" not in shown
