"""cvrun test: opening the sealed test set."""

import json
import os
import shutil

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, recall_score

from cvrun import fault, ledger
from cvrun.trainer import checkpoint


@pytest.fixture(autouse=True)
def disarmed():
    yield
    fault.arm("")


def rows(folder) -> list[dict]:
    path = folder.parents[1] / "test-ledger.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def saved(folder, name):
    return np.load(folder / "predictions" / f"{name}.npz")


@pytest.fixture
def second(call, finished):
    """Another model of the same data and split."""
    words = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "workers=0", "seed=1")
    assert call("train", *words).code == 0
    (other,) = (path for path in finished.parent.iterdir() if path != finished)
    return other


def test_a5_without_unseal_it_says_what_that_means_and_opens_nothing(call, finished, tools):
    before = tools.files(finished.parents[1])
    said = call("test", finished)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("cvrun test: the test set is sealed, expected --unseal; each opening is written to the")
    assert "every later report counts it" in said.err and "needs a --reason" in said.err
    assert tools.files(finished.parents[1]) == before
    assert rows(finished) == []


def test_its_metrics_are_those_of_scikit_learn(call, finished):
    document = json.loads(call("test", finished, "--unseal", "--json").out)
    file = saved(finished, "test")
    probabilities, targets = file["probabilities"], file["targets"]
    labels = probabilities.argmax(axis=1)
    assert len(targets) == document["images"] == 180
    assert document["metrics"]["accuracy"] == pytest.approx(accuracy_score(targets, labels))
    assert document["metrics"]["loss"] == pytest.approx(log_loss(targets, probabilities), rel=1e-5)
    recall = recall_score(targets, labels, average=None)
    assert [row["recall"] for row in document["per_class"]] == pytest.approx(list(recall))
    assert np.trace(document["confusion_matrix"]) == (labels == targets).sum()
    assert not (set(file["ids"]) & set(saved(finished, "val")["ids"]))
    (row,) = rows(finished)
    assert document["ledger"] == {
        name: row[key] for name, key in (("line", "number"), ("hash", "hash"), ("test", "test"), ("weights", "weights"))
    }
    assert (document["split"], document["external"]) == ("test", None)
    assert (document["openings"], document["models"]) == (1, 1)


def test_a5_the_ledger_says_what_was_opened(call, finished, tools):
    assert call("test", finished, "--unseal", "--tta", "hflip", "--reason", "first\nlook").code == 0
    (row,) = rows(finished)
    best = checkpoint.commits(finished / "checkpoints", "best")[0]
    assert (row["number"], row["run"], row["run_id"]) == (1, f"run/{finished.name}", finished.name)
    assert (row["checkpoint"], row["step"]) == ("best", checkpoint.step_of(best))
    assert (row["images"], row["external"], row["reason"]) == (180, None, "first\nlook")
    assert row["previous"] == "0" * 64
    # Nothing of a user or a machine.
    assert set(row) == {
        *("number", "time", "run", "run_id", "config", "weights", "checkpoint", "step", "test", "sketch", "names"),
        *("external", "images", "leaked", "reason", "torn", "previous", "hash"),
    }
    assert (finished / "test.jsonl").read_bytes() == (finished.parents[1] / "test-ledger.jsonl").read_bytes()
    assert (finished / "predictions/test-hflip.npz").is_file()


def test_a5_another_model_needs_a_reason_and_the_same_one_none(call, finished, second):
    assert "this test set has been opened 1 time, by 1 model" in call("test", finished, "--unseal").out
    said = call("test", finished, "--unseal")
    assert said.code == 0 and "opened before for the same model: line 1 of test-ledger.jsonl, 20" in said.err
    assert "this test set has been opened 2 times, by 1 model" in said.out
    refused = call("test", second, "--unseal")
    assert (refused.code, refused.out) == (2, "")
    time = rows(finished)[1]["time"]
    assert f"another model, of run/{finished.name}: line 2 of test-ledger.jsonl, {time}" in refused.err
    assert "another model on it needs a reason" in refused.err
    assert len(rows(finished)) == 2 and not (second / "predictions/test.npz").exists()
    empty = call("test", second, "--unseal", "--reason", " ")
    assert empty.code == 2 and "--reason: is empty" in empty.err
    said = call("test", second, "--unseal", "--reason", "the first one had a bug")
    assert "this test set has been opened 3 times, by 2 different models (line 3 of test-ledger.jsonl)" in said.out
    assert [row["reason"] for row in rows(finished)] == [None, None, "the first one had a bug"]
    # Both are known by now.
    assert call("test", second, "--unseal").code == call("test", finished, "--unseal").code == 0
    assert len(rows(finished)) == 5


def test_other_weights_of_the_same_run_are_another_model(call, finished):
    assert call("test", finished, "--unseal").code == 0
    best, last = (checkpoint.commits(finished / "checkpoints", kind)[0] for kind in ("best", "step"))
    if checkpoint.step_of(best) == checkpoint.step_of(last):
        assert call("test", finished, "--unseal", "--checkpoint", "last").code == 0
        assert [row["weights"] for row in rows(finished)] == [rows(finished)[0]["weights"]] * 2
        assert [row["checkpoint"] for row in rows(finished)] == ["best", "last"]


def test_every_later_report_says_it(call, finished, second, tools):
    words = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "workers=0")
    closed, once = "the test set of this run has not been opened\n", "has been opened 1 time, by 1 model\n"
    assert call("eval", finished).out.endswith(closed)
    assert call("check", *words).out.endswith(closed)
    assert call("train", *words).out.endswith(closed)
    assert call("test", finished, "--unseal").code == 0
    # The other run has the same test set, and never opened it.
    for seed in (0, 1):
        for command in ("check", "train"):
            assert call(command, *words, f"seed={seed}").out.endswith(f"the test set of this run {once}")
    for run in (finished, second):
        assert call("eval", run).out.endswith(f"the test set of this run {once}")
        assert call("resume", run).out.endswith(f"the test set of this run {once}")
        assert json.loads(call("eval", run, "--json").out)["test_openings"] == 1
    test = rows(finished)[0]["test"][:12]
    assert call("runs").out.endswith(f"\n\ntest set {test} of 180 images {once}")
    assert [(run["test_openings"], run["test_models"]) for run in json.loads(call("runs", "--json").out)] == [
        (1, 1)
    ] * 2


@pytest.mark.parametrize("damage", ["edited", "removed", "gone"])
def test_a5_a_broken_ledger_has_exit_code_4_and_names_the_line(call, finished, damage):
    for _ in range(2):
        assert call("test", finished, "--unseal").code == 0
    path = finished.parents[1] / "test-ledger.jsonl"
    content = path.read_bytes()
    first, last = content.splitlines(keepends=True)
    changed = {"edited": first.replace(b"180", b"181") + last, "removed": first, "gone": b""}[damage]
    path.unlink() if damage == "gone" else path.write_bytes(changed)
    line = {"edited": 1, "removed": 2, "gone": 1}[damage]
    words = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "workers=0")
    for command in (
        ("test", finished, "--unseal"),
        ("eval", finished),
        ("runs",),
        ("runs", "--json"),
        ("check", *words),
    ):
        said = call(*command)
        assert said.code == 4, command
        assert f"line {line}" in said.err and len(said.err.splitlines()) == 1, command
    # What a training ends with is shown all the same.
    said = call("train", *words)
    assert said.code == 0 and "warning: " in said.out and f"line {line}" in said.out
    if damage == "gone":
        assert not path.exists() or path.read_bytes() == b""
    else:
        assert path.read_bytes() == changed
    path.write_bytes(content)
    assert call("test", finished, "--unseal").code == 0


def test_a_link_in_place_of_the_ledger_is_refused(call, finished, tmp_path):
    (tmp_path / "other").write_text("precious")
    (finished.parents[1] / "test-ledger.jsonl").symlink_to(tmp_path / "other")
    said = call("test", finished, "--unseal")
    assert said.code == 2 and "test-ledger.jsonl: a link, a folder or no file" in said.err
    assert (tmp_path / "other").read_text() == "precious"


def test_an_empty_part_is_an_error_and_opens_nothing(call, tmp_path):
    words = ("model.width=4", "trainer.epochs=1", "trainer.batch_size=300", "workers=0", "split.test=0")
    assert not call("train", *words).out.endswith("opened\n")
    (folder,) = tmp_path.glob("outputs/run/*")
    said = call("test", folder, "--unseal")
    assert said.code == 3
    assert "test part is empty" in said.err
    assert not (tmp_path / "outputs/test-ledger.jsonl").exists()


def test_what_fails_after_the_line_was_opened_all_the_same(call, finished):
    fault.arm("predictions.write=raise")
    assert call("test", finished, "--unseal").code == 1
    assert len(rows(finished)) == 1 and not (finished / "predictions/test.npz").exists()
    assert "has been opened 1 time, by 1 model" in call("eval", finished).out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--by", "nothing"], "--by nothing: expected"),
        (["--tta", "hflipp"], "did you mean 'hflip'?"),
        (["seed=1"], "seed=1: expected one of"),
        (["--external", "a-b=x"], "--external a-b=x: expected NAME=ROOT"),
    ],
)
def test_a_wrong_command_line_opens_nothing(call, finished, words, part):
    said = call("test", finished, "--unseal", *words)
    assert said.code == 2 and part in said.err
    assert rows(finished) == []


def test_nothing_is_opened_where_the_ledger_cannot_be_written(call, finished):
    fault.arm("ledger.write=enospc")
    said = call("test", finished, "--unseal")
    assert said.code == 7 and "test-ledger.jsonl: cannot be written (No space left on device)" in said.err
    assert rows(finished) == [] and not (finished / "predictions/test.npz").exists()


def test_a_copy_of_a_run_elsewhere_takes_its_openings_along(call, finished, tmp_path):
    assert call("test", finished, "--unseal").code == 0
    copy = tmp_path / "elsewhere" / "run" / finished.name
    shutil.copytree(finished, copy)
    said = call("test", copy, "--unseal")
    assert said.code == 4 and "is missing" in said.err
    shutil.copy(finished.parents[1] / ledger.NAME, copy.parents[1])
    assert "opened 2 times, by 1 model" in call("test", copy, "--unseal").out
    os.remove(copy.parents[1] / ledger.NAME)
