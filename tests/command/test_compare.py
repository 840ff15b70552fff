"""`cvrun compare` from end to end."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return tmp_path_factory.mktemp("compare") / "outputs"


@pytest.fixture
def runs(call, outputs):
    """Two seeds of one setting and one run of another, on digits."""
    found = []
    for words in (["seed=0"], ["seed=1"], ["seed=0", "optimizer.lr=0.003"]):
        said = call("train", "+exp=digits", "trainer.epochs=2", "model.width=8", *words, f"output_root={outputs}")
        assert said.code == 0, said.err
        found.append(said.out.split(":")[0].splitlines()[-1])
    return found


def document(said):
    assert said.code == 0, said.err
    return json.loads(said.out)


def accuracy_of(run):
    file = np.load(f"{run}/predictions/val.npz")
    return float((file["probabilities"].argmax(axis=1) == file["targets"]).mean())


def test_seeds_of_one_setting_are_one_model_and_the_first_is_the_baseline(call, runs, outputs):
    found = document(call("compare", runs[2], runs[0], runs[1], "--resamples", "200", "--json"))
    slow, both = found["models"]
    assert (slow["seeds"], both["seeds"]) == (1, 2)
    assert both["values"]["accuracy"] == pytest.approx((accuracy_of(runs[0]) + accuracy_of(runs[1])) / 2)
    (row,) = (row for row in found["differences"] if row["metric"] == "accuracy")
    assert row["difference"] == pytest.approx(both["values"]["accuracy"] - accuracy_of(runs[2]))
    assert row["verdict"] == "better"
    assert [row["metric"] for row in found["differences"]] == ["accuracy", "balanced_accuracy", "roc_auc", "loss"]
    assert found["trivial"]["values"]["roc_auc"] == 0.5 and found["units"] == found["images"] == 359


def test_j2_m13_a_run_against_itself_and_another_seed(call, runs):
    said = call("compare", runs[0], runs[0], "--metric", "accuracy", "--metric", "mcc", "--resamples", "200")
    assert said.code == 0 and "no difference shown: accuracy, mcc" in said.out
    found = document(call("compare", runs[0], runs[1], "--resamples", "200", "--json"))
    assert [model["seeds"] for model in found["models"]] == [1, 1]
    (row,) = (row for row in found["differences"] if row["metric"] == "accuracy")
    assert row["test"] == "McNemar" and row["interval"][0] <= row["difference"] <= row["interval"][1]


def test_it_fits_eighty_columns(call, runs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = call("compare", *runs, "--resamples", "200")
    assert said.code == 0 and "p is corrected for all 4 questions" in said.out


def test_a_folder_of_seeds_is_a_model_and_a_folder_of_more_is_not(call, runs, outputs):
    said = call("compare", outputs / "digits", runs[0], "--resamples", "200")
    assert said.code == 2 and "its runs differ in more than the seed" in said.err
    said = call("compare", outputs / "nothing", runs[0])
    assert (said.code, said.out) == (2, "") and "no such run" in said.err
    said = call("compare", runs[0])
    assert said.code == 2 and "one run has nothing to be compared with" in said.err
    said = call("compare", runs[0], runs[1], "--metric", "accuracys")
    assert said.code == 2 and "did you mean 'accuracy'" in said.err
    said = call("compare", runs[0], runs[1], "--resamples", "0")
    assert said.code == 2 and "--resamples 0" in said.err


def test_the_test_part_is_never_opened(call, runs, tools, outputs):
    before = tools.files(outputs)
    said = call("compare", *runs, "--part", "test")
    assert (said.code, said.out) == (3, "")
    assert "cvrun test RUN --unseal writes them" in said.err
    assert tools.files(outputs) == before


def test_saved_test_predictions_are_compared_with_what_the_ledger_says(call, runs, outputs):
    assert call("test", runs[0], "--unseal").code == 0
    assert call("test", runs[1], "--unseal", "--reason", "another seed").code == 0
    ledger = (outputs / "test-ledger.jsonl").read_bytes()
    said = call("compare", runs[0], runs[1], "--part", "test", "--resamples", "200")
    assert said.code == 0 and "on 180 test images" in said.out and "2 times" in said.out
    assert (outputs / "test-ledger.jsonl").read_bytes() == ledger


def test_other_images_are_refused(call, runs, outputs):
    said = call(
        *("train", "+exp=digits", "trainer.epochs=1", "model.width=8", "split.seed=5", "name=other"),
        f"output_root={outputs}",
    )
    other = said.out.split(":")[0].splitlines()[-1]
    said = call("compare", runs[0], other)
    assert (said.code, said.out) == (3, "") and "what is val in one may be training in another" in said.err


def test_an_ensemble_is_a_model(call, runs, outputs):
    assert call("ensemble", runs[0], runs[1], "--output", outputs / "both").code == 0
    found = document(call("compare", runs[2], outputs / "both", "--resamples", "200", "--json"))
    assert found["models"][1]["runs"] == [(outputs / "both").as_posix()]
    (row,) = (row for row in found["differences"] if row["metric"] == "loss")
    assert row["verdict"] == "better"
