import xml.etree.ElementTree as ElementTree

from cvrun.report.run_data import data
from cvrun.report.run_record import RunRecord

PLAN = {
    "data": {
        "classes": ["cat", "<script>"],
        "counts": {"train": [720, 80], "val": [90, 10], "test": [90, 10]},
        "groups": {"train": 70, "val": 9, "test": 8},
        "data_fingerprint": "abc123",
        "flow": {"listed": 1010, "synthetic": 0, "unplaced": 0, "excluded": {"blurred": 10}, "subset": 0},
        "form": {"size": 32, "channels": 3, "value_range": None},
    },
    "imbalance": {"line": "nine to one"},
}


def shown(plan):
    return "".join(part.text for part in data(RunRecord("r", {}, plan, [], {}, [], [], "", None)).body)


def rows(text):
    root = ElementTree.fromstring(f"<x>{text}</x>")
    return [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]


def test_m4_the_table_of_parts_adds_up_to_the_manifest():
    found = rows(shown(PLAN))
    assert found[:6] == [
        ["class", "train", "val", "test"],
        ["cat", "720", "90", "90"],
        ["<script>", "80", "10", "10"],
        ["all", "800", "100", "100"],
        ["groups", "70", "9", "8"],
        ["distance", "0.0000", "0.0000", "0.0000"],
    ]
    assert ["listed by the source", "1,010"] in found and ["excluded: blurred", "10"] in found
    assert 800 + 100 + 100 + 10 == 1010


def test_fingerprints_and_the_imbalance_line_are_there():
    text = shown(PLAN)
    assert "abc123" in text and "Imbalance: nine to one" in text and "size 32, channels 3<" in text
    assert "<script>" not in text


def test_many_classes_are_cut_and_still_add_up():
    counts = {"train": [10] * 199 + [20] + [1] * 100}
    found = rows(shown({"data": {"classes": [f"{i}" for i in range(300)], "counts": counts}}))
    assert len(found[1:201]) == 200 and found[201] == ["100 smaller classes", "100"] and found[202] == ["all", "2,110"]


def test_a_plan_without_data_says_so():
    assert "says nothing" in shown({}) and "says nothing" in shown({"data": {"classes": ["a"], "counts": {"val": []}}})
