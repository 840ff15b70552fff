"""cvrun calibrate: fitted on val, frozen, applied by eval and test."""

import json
import math
import os

import numpy as np
import pytest
from sklearn.metrics import log_loss

from cvrun.decision import read


def document(said) -> dict:
    assert said.code == 0, said.err

    def refuse(word):
        raise AssertionError(word)

    return json.loads(said.out, parse_constant=refuse)


def saved(folder, name):
    file = np.load(folder / "predictions" / f"{name}.npz")
    return file["probabilities"].astype(np.float64), file["targets"]


def test_m7_the_operating_point_is_fitted_on_val_frozen_and_used_by_test(call, finished):
    made = document(call("calibrate", finished, "--class", "3", "--rule", "target_sens=0.9", "--json"))
    probabilities, targets = saved(finished, "val")
    threshold = made["operating_point"]["threshold"]
    own = probabilities[targets == 3, 3]
    assert (own >= threshold).mean() >= 0.9 > (own > threshold).mean()
    assert (made["fitted_on"], made["images"], made["test_openings"], made["replaced"]) == ("val", 180, 0, False)
    assert json.loads((finished / "decision.json").read_text()) == made
    found = document(call("eval", finished, "--json"))["decision"]
    assert found["same_split"] and found["per_class"][3]["sensitivity"] == (own >= threshold).mean()
    assert found.items() <= made["val"].items()
    # The same number, whatever the test images are like.
    tested = document(call("test", finished, "--unseal", "--json"))["decision"]
    probabilities, targets = saved(finished, "test")
    assert tested["operating_point"]["threshold"] == threshold and not tested["same_split"]
    row = tested["per_class"][3]
    assert row["tp"] == (probabilities[targets == 3, 3] >= threshold).sum()
    assert row["fp"] == (probabilities[targets != 3, 3] >= threshold).sum()
    assert tested["coverage"] == 1.0
    assert json.loads((finished / "decision.json").read_text()) == made


def test_m12_the_temperature_lowers_the_loss_and_leaves_what_is_most_probable(call, finished):
    before = document(call("eval", finished, "--json"))
    assert before["decision"] is None
    made = document(call("calibrate", finished, "--temperature", "--json"))
    probabilities, targets = saved(finished, "val")
    logits = np.log(probabilities) / made["temperature"]
    calibrated = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    after = made["val"]["calibration"]["after"]["loss"]
    assert after == pytest.approx(log_loss(targets, calibrated), rel=1e-6)
    assert after < made["val"]["calibration"]["before"]["loss"] == pytest.approx(before["metrics"]["loss"], rel=1e-6)
    assert made["val"]["accuracy_of_all"] == pytest.approx(before["metrics"]["accuracy"])
    assert made["val"]["calibration"]["before"]["ece"] == pytest.approx(before["metrics"]["ece"], rel=1e-6)
    assert made["val"]["calibration"]["before"]["brier"] == pytest.approx(before["metrics"]["brier"], rel=1e-6)
    # The metrics stay those of the model.
    now = document(call("eval", finished, "--json"))
    assert now["metrics"] == before["metrics"]


def test_the_reject_option_reaches_its_coverage(call, finished):
    said = call("calibrate", finished, "--reject", "coverage=0.8")
    assert said.code == 0
    confidence = saved(finished, "val")[0].max(axis=1)
    decision, content = read(finished / "decision.json")
    assert (confidence >= decision.least).mean() >= 0.8 > (confidence > decision.least).mean()
    assert content["val"]["coverage"] == (confidence >= decision.least).mean()
    assert "(AURC)" in said.out and "very split: what follows is optimistic" in said.out
    shown = call("eval", finished).out
    assert "decided: " in shown and "fitted on this very split" in shown
    assert "at the frozen decision" not in call("eval", finished, "--no-decision").out
    assert "at the frozen decision" in call("eval", finished, "--split", "train").out


def test_thresholds_of_classes_are_frozen(call, finished):
    made = document(call("calibrate", finished, "--thresholds", "macro_f1", "--json"))
    probabilities, targets = saved(finished, "val")
    labels = (probabilities / np.array(made["thresholds"])).argmax(axis=1)
    assert made["val"]["accuracy_of_all"] == (labels == targets).mean()


def test_one_that_is_there_is_replaced_by_force_alone(call, finished, tools):
    assert call("calibrate", finished, "--reject", "coverage=0.8").code == 0
    before = tools.files(finished)
    said = call("calibrate", finished, "--temperature")
    assert (said.code, said.out) == (2, "")
    assert "decision.json: exists, expected a run without one; --force" in said.err
    assert tools.files(finished) == before
    made = document(call("calibrate", finished, "--temperature", "--force", "--json"))
    assert made["replaced"] and made["reject"] is None and made["test_openings"] == 0


def test_m7_one_that_was_fitted_after_the_test_set_was_opened_says_so_for_good(call, finished):
    assert call("test", finished, "--unseal").code == 0
    made = document(call("calibrate", finished, "--reject", "coverage=0.8", "--json"))
    assert made["test_openings"] == 1
    line = "fitted after these weights had opened a test set 1 time: no result on it is independent"
    assert line in call("test", finished, "--unseal").out
    assert line in call("eval", finished).out


@pytest.mark.parametrize("command", ["eval", "test"])
def test_one_of_other_weights_is_refused_and_opens_nothing(call, finished, tools, command):
    assert call("calibrate", finished, "--temperature").code == 0
    content = json.loads((finished / "decision.json").read_text())
    (finished / "decision.json").write_text(json.dumps({**content, "weights": "0" * 64}))
    before = tools.files(finished.parents[1])
    words = [command, finished, *(["--unseal"] if command == "test" else [])]
    said = call(*words)
    assert (said.code, said.out) == (4, "")
    assert "was fitted for weights 000000000000, expected those of these" in said.err
    assert len(said.err.splitlines()) == 1
    assert tools.files(finished.parents[1]) == before
    assert call(*words, "--no-decision").code == 0
    assert call("calibrate", finished, "--temperature", "--force").code == 0
    assert call(*words).code == 0


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1, "classes": [1]}', '{"temperature": NaN}'])
def test_a_damaged_file_is_one_line(call, finished, text):
    (finished / "decision.json").write_text(text)
    said = call("eval", finished)
    assert (said.code, said.out) == (4, "")
    assert "decision.json: " in said.err and len(said.err.splitlines()) == 1


def test_nothing_leads_out_of_the_run(call, finished, tmp_path):
    (finished / "decision.json").symlink_to(tmp_path / "elsewhere")
    said = call("calibrate", finished, "--temperature", "--force")
    assert said.code == 2 and "decision.json: a link inside a run" in said.err
    assert not (tmp_path / "elsewhere").exists()
    (finished / "decision.json").unlink()
    os.mkdir(finished / "decision.json")
    said = call("eval", finished)
    assert said.code == 2 and "decision.json: a folder, expected a file" in said.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "nothing to fit, expected --temperature"),
        (["--rule", "best", "--class", "3"], "--rule best: expected target_sens"),
        (["--rule", "youden"], "--rule: of 10 classes, expected --class NAME"),
        (["--rule", "youden", "--class", "x"], "--class x: expected one of 0, 1"),
        (["--class", "3", "--temperature"], "--class 3: expected --rule as well"),
        (["--rule", "youden", "--class", "3", "--thresholds", "macro_f1"], "excludes --rule"),
        (["--thresholds", "accuracy"], "invalid choice"),
        (["--reject", "coverage=2"], "--reject coverage=2: expected a number"),
        (["--temperature", "seed=1"], "seed=1"),
    ],
)
def test_a_wrong_command_line_has_exit_code_2_and_writes_nothing(call, finished, words, part):
    said = call("calibrate", finished, *words)
    assert (said.code, said.out) == (2, "")
    assert part in said.err
    assert not (finished / "decision.json").exists()


def test_a_run_that_has_not_finished_is_refused(call, interrupted):
    said = call("calibrate", interrupted, "--temperature")
    assert said.code == 2 and "has not finished, expected a finished run" in said.err
    assert not (interrupted / "decision.json").exists()


@pytest.mark.parametrize("change", ["nan", "sum", "classes", "missing"])
def test_predictions_that_are_none_are_refused(call, finished, change):
    path = finished / "predictions/val.npz"
    content = dict(np.load(path))
    if change == "nan":
        content["probabilities"][0, 0] = math.nan
    elif change == "sum":
        content["probabilities"] = content["probabilities"] / 2
    elif change == "classes":
        content["classes"] = content["classes"][::-1]
    path.unlink()
    if change != "missing":
        np.savez(path, **content)
    said = call("calibrate", finished, "--temperature")
    assert said.code == (4 if change == "classes" else 3) and len(said.err.splitlines()) == 1
    assert not (finished / "decision.json").exists()


def test_m11_few_images_are_said_to_be_few(call, finished):
    said = call("calibrate", finished, "--rule", "youden", "--class", "3")
    assert said.code == 0
    assert "validation images of class '3', fewer than 50: what is fitted on them may be chance" in said.err
