import json

import numpy as np
from sklearn.metrics import precision_score, recall_score

from cvrun.command._report_decision import decision_of
from cvrun.folder import RunFolder


def test_m8_without_a_decision_the_most_probable_class_counts(finished_once):
    found = decision_of(RunFolder(finished_once))
    assert (found["frozen"], found["note"], list(found["parts"])) == (None, "", ["val"])
    file = np.load(finished_once / "predictions" / "val.npz")
    labels, targets = file["probabilities"].argmax(1), file["targets"]
    for k, row in enumerate(found["parts"]["val"]["per_class"]):
        assert row["sensitivity"] == recall_score(targets == k, labels == k)
        if row["ppv"] is not None:
            assert row["ppv"] == precision_score(targets == k, labels == k)


def test_m7_test_uses_the_number_that_was_frozen_on_val(call, finished):
    said = call("calibrate", finished, "--class", "3", "--rule", "target_sens=0.9", "--json")
    threshold = json.loads(said.out)["operating_point"]["threshold"]
    assert call("test", finished, "--unseal").code == 0
    found = decision_of(RunFolder(finished))
    assert found["note"] == "" and list(found["parts"]) == ["val", "test"]
    for part, values in found["parts"].items():
        file = np.load(finished / "predictions" / f"{part}.npz")
        called, own = file["probabilities"][:, 3] >= threshold, file["targets"] == 3
        assert values["per_class"][3]["sensitivity"] == (called & own).sum() / own.sum()
        assert values["operating_point"]["threshold"] == threshold
    assert found["parts"]["val"]["per_class"][3]["sensitivity"] >= 0.9
    assert call("report", finished).code == 0
    page = (finished / "report.html").read_text()
    assert "Frozen: " in page and "at the decision, val" in page and "at the decision, test" in page
    told = json.loads(call("report", finished, "--format", "json").out)["decision"]
    assert told["parts"]["test"]["per_class"][3]["tp"] == found["parts"]["test"]["per_class"][3]["tp"]
    assert "## Decision" in call("report", finished, "--format", "md").out


def test_a_decision_of_other_weights_is_not_used(call, finished):
    assert call("calibrate", finished, "--temperature").code == 0
    path = finished / "decision.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "weights": "0" * 64}))
    found = decision_of(RunFolder(finished))
    assert found["frozen"] is None and "was fitted for weights 000000000000" in found["note"]
    assert "decided" not in found["parts"]["val"]
    assert call("report", finished).code == 0
    assert "was fitted for weights" in (finished / "report.html").read_text()


def test_test_predictions_of_nobody_knows_which_weights_are_taken_without_the_decision(call, finished):
    assert call("calibrate", finished, "--temperature").code == 0
    assert call("test", finished, "--unseal").code == 0
    (finished / "test.jsonl").unlink()
    found = decision_of(RunFolder(finished))
    assert "decided" in found["parts"]["val"] and "decided" not in found["parts"]["test"]
    assert found["note"] == "test.npz is not of the weights for which the decision was fitted"
