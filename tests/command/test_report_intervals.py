import json

import numpy as np
import pytest
from scipy.stats import binomtest

from cvrun.command._report_intervals import record_of
from cvrun.errors import CheckpointError
from cvrun.folder import RunFolder


def trained(path, groups=None, targets=None, matrix=((8, 2), (1, 9))):
    """A run as training leaves it: predictions, and metrics without intervals; 17 of 20 images are right."""
    (path / "predictions").mkdir(parents=True, exist_ok=True)
    truth = np.repeat([0, 1], 10) if targets is None else np.array(targets)
    called = np.array([0] * 8 + [1] * 2 + [0] + [1] * 9)
    p = np.where(np.arange(2) == called[:, None], 0.9, 0.1).astype(np.float32)
    ids = [f"{i}.png" for i in range(20)]
    arrays = {"ids": np.array(ids), "targets": truth, "classes": np.array(["a", "b"])}
    np.savez(path / "predictions" / "val.npz", probabilities=p, **arrays)
    details = {"metrics": {"accuracy": 0.85, "balanced_accuracy": 0.85, "kappa": 0.7}, "confusion_matrix": matrix}
    (path / "predictions" / "val.json").write_text(json.dumps(details))
    if groups:
        rows = "".join(f"{name},{group}\n" for name, group in zip(ids, groups, strict=True))
        (path / "data.csv").write_text(f"id,group\n{rows}")
    return RunFolder(path)


def test_a_run_that_was_only_trained_has_wilsons_interval_and_those_of_the_other_metrics(tmp_path):
    details = record_of(trained(tmp_path), [], None).evaluated["val"]
    ends = binomtest(17, 20).proportion_ci(method="wilson")
    assert details["intervals"]["accuracy"] == pytest.approx([ends.low, ends.high])
    low, high = details["intervals"]["kappa"]
    assert low < 0.7 < high
    assert set(details["intervals"]) == {"accuracy", "balanced_accuracy", "kappa"}
    assert details["uncertainty"]["unit"] == "image"


def test_images_in_groups_do_not_count_each_by_itself(tmp_path):
    """Each group is all right or all wrong, but one: the interval is wider than that of as many images."""
    alone = record_of(trained(tmp_path / "a"), [], None).evaluated["val"]["intervals"]["accuracy"]
    groups = [*"ssssttttuu", *"uvvvvwwwww"]
    details = record_of(trained(tmp_path / "b", groups), [], None).evaluated["val"]
    together = details["intervals"]["accuracy"]
    assert (details["uncertainty"]["unit"], details["uncertainty"]["units"]) == ("group", 5)
    assert together[0] < alone[0]


def test_what_the_evaluation_worked_out_stays(tmp_path):
    folder = trained(tmp_path)
    path = tmp_path / "predictions" / "val.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "intervals": {"kappa": [0.1, 0.2]}}))
    assert record_of(folder, [], None).evaluated["val"]["intervals"] == {"kappa": [0.1, 0.2]}


def test_without_predictions_nothing_is_made_up(tmp_path):
    folder = trained(tmp_path)
    (tmp_path / "predictions" / "val.npz").unlink()
    assert "intervals" not in record_of(folder, [], None).evaluated["val"]


def test_predictions_that_are_not_those_of_the_metrics_are_refused(tmp_path):
    folder = trained(tmp_path, matrix=((9, 1), (2, 8)))
    with pytest.raises(CheckpointError, match=r"val\.npz: other predictions than .*cvrun eval RUN writes it anew"):
        record_of(folder, [], None)


def test_every_form_of_the_report_of_a_real_run_has_them(call, finished):
    found = json.loads(call("report", finished, "--format", "json").out)
    low, high = found["evaluated"]["val"]["intervals"]["balanced_accuracy"]
    assert low < found["evaluated"]["val"]["metrics"]["balanced_accuracy"] < high
    shown = f"{low:.3f} to {high:.3f}"
    assert call("report", finished).code == 0
    assert shown in (finished / "report.html").read_text()
    assert f"{low:.4f} to {high:.4f}" in call("report", finished, "--format", "md").out
    said = call("report", finished, "--checklist", "claim").out
    assert "balanced" in said and f"{low:.4f}" in said


def test_rolled_probabilities_are_refused_in_every_form(call, finished):
    path = finished / "predictions" / "val.npz"
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, "probabilities": np.roll(arrays["probabilities"], 1, axis=0)})
    for words in ((), ("--format", "md"), ("--format", "json"), ("--checklist", "claim")):
        said = call("report", finished, *words)
        assert said.code == 4 and "other predictions" in said.err and said.err.count("\n") == 1
