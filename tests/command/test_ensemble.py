"""cvrun ensemble: saved predictions merged, frozen, and used by cvrun predict."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from cvrun.cli import main

QUICK = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "workers=0")
SEEDS = (0, 1, 2)


@pytest.fixture(scope="session")
def three_once(tmp_path_factory) -> Path:
    """Three runs on the digits that differ in their seed; nobody may change them."""
    root = tmp_path_factory.mktemp("three")
    for seed in SEEDS:
        assert main(["train", *QUICK, f"seed={seed}", f"output_root={root}"]) == 0
    return root


@pytest.fixture
def three(three_once, tmp_path) -> list[Path]:
    """A copy of three runs."""
    return sorted(Path(shutil.copytree(three_once, tmp_path / "outputs")).glob("run/*"))


def saved(folder, name="val"):
    file = np.load(folder / "predictions" / f"{name}.npz")
    return {key: file[key] for key in ("ids", "targets", "probabilities", "classes")}


def cross_entropy(targets, probabilities) -> float:
    """scikit-learn's; it wants sums closer to 1 than float32 has them."""
    return log_loss(targets, probabilities / probabilities.sum(axis=1, keepdims=True), labels=range(10))


def document(said) -> dict:
    assert said.code == 0, said.err

    def refuse(word):
        raise AssertionError(word)

    return json.loads(said.out, parse_constant=refuse)


def rewrite(folder, name="val", **changed):
    np.savez_compressed(folder / "predictions" / f"{name}.npz", **{**saved(folder, name), **changed})


def test_j3_the_mean_of_three_runs_has_a_lower_loss_than_the_mean_of_their_losses(call, three, tmp_path):
    found = document(call("ensemble", *three, "--json"))
    each = [saved(run) for run in three]
    mean = np.mean([one["probabilities"].astype(np.float64) for one in each], axis=0)
    targets = each[0]["targets"]
    assert found["metrics"]["loss"] == pytest.approx(cross_entropy(targets, mean), rel=1e-5)
    assert found["metrics"]["accuracy"] == accuracy_score(targets, mean.argmax(axis=1))
    alone = [cross_entropy(targets, one["probabilities"].astype(np.float64)) for one in each]
    assert [row["metrics"]["loss"] for row in found["members"]] == pytest.approx(alone, rel=1e-5)
    assert found["metrics"]["loss"] <= np.mean(alone)
    assert found["best"] == three[int(np.argmin(alone))].as_posix()
    labels = [one["probabilities"].argmax(axis=1) for one in each]
    assert found["agreed"] == sum(len(set(row)) == 1 for row in zip(*map(np.ndarray.tolist, labels), strict=True))
    assert (found["images"], found["cost"], found["part"], found["same_split"]) == (len(targets), 3, "val", True)
    assert [row["share"] for row in found["members"]] == [1 / 3] * 3
    # What is written reads as the predictions of a run do.
    folder = tmp_path / "outputs" / "ensembles" / found["id"]
    assert Path(found["ensemble"]) == folder
    kept = saved(folder)
    np.testing.assert_allclose(kept["probabilities"], mean, atol=1e-7)
    assert kept["probabilities"].dtype == np.float32
    for name in ("ids", "targets", "classes"):
        assert np.array_equal(kept[name], each[0][name])
    assert json.loads((folder / "predictions" / "val.json").read_text())["metrics"] == found["metrics"]


def test_images_are_matched_by_name(call, three):
    before = document(call("ensemble", *three, "--json"))
    order = np.random.default_rng(0).permutation(len(saved(three[1])["ids"]))
    rewrite(three[1], **{key: saved(three[1])[key][order] for key in ("ids", "targets", "probabilities")})
    assert document(call("ensemble", *three, "--json")) == before


@pytest.mark.parametrize("merge", ["gmean", "vote"])
def test_j3_merges(call, three, tmp_path, merge):
    found = document(call("ensemble", *three, "--merge", merge, "--json"))
    each = np.stack([saved(run)["probabilities"].astype(np.float64) for run in three])
    raw = np.exp(np.log(each).mean(axis=0)) if merge == "gmean" else np.eye(10)[each.argmax(axis=2)].mean(axis=0)
    kept = saved(Path(found["ensemble"]))["probabilities"]
    np.testing.assert_allclose(kept, raw / raw.sum(axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_j3_greedy_is_never_worse_on_val_than_the_best_run(call, three, metric):
    found = document(call("ensemble", *three, "--merge", "greedy", "--metric", metric, "--json"))
    alone = [row["metrics"][metric] for row in found["members"]]
    best, selection = (min if metric == "loss" else max)(alone), found["selection"]
    assert selection["scores"][0] == pytest.approx(best, rel=1e-9)
    assert found["metrics"][metric] <= best if metric == "loss" else found["metrics"][metric] >= best
    assert found["metrics"][metric] == pytest.approx(selection["scores"][-1], rel=1e-6)
    assert (selection["fitted_on"], selection["metric"]) == ("val", metric)
    runs = [row["run"] for row in found["members"]]
    assert [row["picks"] for row in found["members"]] == [selection["order"].count(name) for name in runs]
    assert "optimistic" in call("ensemble", *three, "--merge", "greedy", "--metric", metric).out


def test_j3_what_val_chose_is_frozen_and_applied_to_saved_test_predictions(call, three, tmp_path):
    said = call("ensemble", *three, "--part", "test")
    assert (said.code, said.out) == (3, "") and "cvrun test RUN --unseal writes them" in said.err
    on_val = document(call("ensemble", *three, "--merge", "greedy", "--json"))
    for run in three:
        assert call("test", run, "--unseal", "--reason", "an ensemble").code == 0
    ledger = (tmp_path / "outputs" / "test-ledger.jsonl").read_bytes()
    on_test = document(call("ensemble", *three, "--merge", "greedy", "--part", "test", "--json"))
    assert (tmp_path / "outputs" / "test-ledger.jsonl").read_bytes() == ledger
    assert (on_test["test_openings"], on_test["test_models"]) == (3, 3)
    assert (on_test["id"], on_test["ensemble"]) == (on_val["id"], on_val["ensemble"])
    assert on_test["selection"] == on_val["selection"] and on_test["best"] == on_val["best"]
    each = [saved(run, "test") for run in three]
    picks = [row["picks"] for row in on_val["members"]]
    mean = np.average([one["probabilities"].astype(np.float64) for one in each], axis=0, weights=picks)
    assert on_test["metrics"]["loss"] == pytest.approx(cross_entropy(each[0]["targets"], mean), rel=1e-5)
    kept = saved(Path(on_test["ensemble"]), "test")
    np.testing.assert_allclose(kept["probabilities"], mean, atol=1e-7)
    assert np.array_equal(kept["ids"], each[0]["ids"])
    # The test labels have no say in anything but the numbers.
    rewrite(three[0], "test", targets=(each[0]["targets"] + 1) % 10)
    rewrite(three[1], "test", targets=(each[0]["targets"] + 1) % 10)
    rewrite(three[2], "test", targets=(each[0]["targets"] + 1) % 10)
    other = document(call("ensemble", *three, "--merge", "greedy", "--part", "test", "--json"))
    assert (other["id"], other["best"], other["selection"]) == (on_val["id"], on_val["best"], on_val["selection"])
    text = call("ensemble", *three, "--merge", "greedy", "--part", "test").out
    assert "optimistic" not in text and "the test set of this run has been opened" in text


def test_runs_on_folds_merge_on_the_test_part_that_they_share_and_not_on_val(call, tmp_path):
    for fold in (0, 1):
        words = ("split=kfold", "split.folds=3", f"split.fold={fold}", "split.test=0.2")
        assert call("train", *QUICK, *words).code == 0
    runs = sorted(tmp_path.glob("outputs/run/*"))
    for words in ((), ("--merge", "greedy"), ("--merge", "greedy", "--part", "test")):
        for run in runs if "test" in words else ():
            assert call("test", run, "--unseal", "--reason", "an ensemble").code == 0
        said = call("ensemble", *runs, *words)
        assert (said.code, said.out, said.err.count("\n")) == (3, "", 1)
        assert "0 of them among the" in said.err and "may be training in another" in said.err
    assert not (tmp_path / "outputs" / "ensembles").exists()
    found = document(call("ensemble", *runs, "--part", "test", "--json"))
    mean = np.mean([saved(run, "test")["probabilities"].astype(np.float64) for run in runs], axis=0)
    assert found["metrics"]["loss"] == pytest.approx(cross_entropy(saved(runs[0], "test")["targets"], mean), rel=1e-5)
    assert found["same_split"] is False


def test_what_cannot_be_merged_is_refused_in_one_line(call, three, tmp_path):
    a, b, c = three
    missing = saved(b)

    def refused(code, *parts, words=(a, b, c)):
        said = call("ensemble", *words)
        assert (said.code, said.out, said.err.count("\n")) == (code, "", 1), said
        for part in parts:
            assert part in said.err

    refused(2, "one run is no ensemble", words=(a,))
    refused(2, "has the weights of", words=(a, b, tmp_path / "outputs" / "run" / ".." / "run" / a.name))
    refused(2, "no such run", words=(a, tmp_path / "nowhere"))
    refused(2, "--metric los: expected one of accuracy", "did you mean 'loss'?", words=(a, b, "--metric", "los"))
    refused(3, "val-tta.npz: not there", "test-time augmentation", words=(a, b, "--tta"))
    rewrite(b, classes=np.array([*"012345678", "nine\x1b[31m"]))
    refused(3, "classes 0, 1", "nine\\x1b[31m", "expected those of")
    labels = missing["targets"].copy()
    labels[7] = (labels[7] + 1) % 10
    rewrite(b, classes=missing["classes"], targets=labels)
    refused(3, f"'{missing['ids'][7]}' is", "expected one label (1 images differ)")
    rewrite(b, **{key: missing[key][1:] for key in ("ids", "targets", "probabilities")})
    refused(3, f"has {len(labels) - 1} images", "expected the same images")
    for wrong in (np.nan, -0.5, 0.5):
        rewrite(b, **missing | {"probabilities": missing["probabilities"] + np.float32(wrong) * np.eye(1, 10, 0)})
        refused(3, "damaged (its rows are no probabilities)")
    rewrite(b, **missing | {"ids": np.array([missing["ids"][1], *missing["ids"][1:]])})
    refused(3, "damaged (it has an image twice)")
    rewrite(b, **missing)
    (b / "status.json").write_text(json.dumps({"state": "running"}))
    refused(2, "has not finished")


def test_damaged_best_weights_are_no_member(call, three, tools):
    tools.damage(next(three[2].glob("checkpoints/best-*")))
    said = call("ensemble", *three)
    assert (said.code, said.out) == (4, "")


def test_nothing_else_is_overwritten(call, three, tmp_path, tools):
    a, b, c = three
    before = tools.files(a)
    for place in (a, tmp_path / "outputs"):
        said = call("ensemble", a, b, "--output", place)
        assert (said.code, said.out) == (2, "") and "holds something else" in said.err
    assert tools.files(a) == before
    (tmp_path / "mine").mkdir()
    # What a process had begun that was killed.
    (tmp_path / "mine" / ".ensemble.json.4242.tmp").touch()
    assert call("ensemble", a, b, "--output", tmp_path / "mine").code == 0
    (tmp_path / "mine" / ".ensemble.json.4242.tmp").unlink()
    kept = tools.files(tmp_path / "mine")
    assert set(kept) == {"ensemble.json", "predictions/val.npz", "predictions/val.json"}
    for words in ((b, c), (a, b, "--merge", "vote")):
        said = call("ensemble", *words, "--output", tmp_path / "mine")
        assert (said.code, said.out) == (2, "") and "holds ensemble " in said.err
    assert tools.files(tmp_path / "mine") == kept
    assert call("ensemble", a, b, "--output", tmp_path / "mine").code == 0
    now = tools.files(tmp_path / "mine")
    assert {name: content for name, (_, content) in now.items()} == {
        name: content for name, (_, content) in kept.items()
    }
    (tmp_path / "file").write_text("mine")
    assert call("ensemble", a, b, "--output", tmp_path / "file").code in (2, 7)
    assert (tmp_path / "file").read_text() == "mine"


def test_the_text_has_what_a_person_needs_in_80_columns(call, three, tmp_path):
    runs = [run.relative_to(tmp_path) for run in three]
    said = call("ensemble", *runs, "--merge", "greedy", "--metric", "balanced_accuracy")
    assert said.code == 0 and said.err == ""
    assert max(map(len, said.out.splitlines())) <= 80
    for part in (
        "share",
        "balanced_accuracy",
        "difference",
        "95% interval",
        "get the same label from all 3 runs",
        "cost:",
    ):
        assert part in said.out
    assert "no probabilities" in call("ensemble", *runs, "--merge", "vote").out


def test_a_run_that_was_moved_with_its_ensemble_is_found_and_others_are_refused(call, three, tmp_path, png):
    found = document(call("ensemble", *three[:2], "--json"))
    shutil.move(tmp_path / "outputs", tmp_path / "moved")
    folder = tmp_path / "moved" / "ensembles" / found["id"]
    said = call("predict", folder, png, "--json")
    assert said.code == 0 and len(json.loads(said.out)) == 1
    assert call("predict", folder / "ensemble.json", png, "--json").out == said.out
    for words, part in ((("--tta", "hflip"), "--tta hflip"), (("--checkpoint", "last"), "--checkpoint last")):
        refused = call("predict", folder, png, *words)
        assert (refused.code, refused.out) == (2, "") and part in refused.err
    # Other weights in the place of those that were merged.
    first, third = (tmp_path / "moved" / "run" / run.name for run in (three[0], three[2]))
    shutil.rmtree(first)
    shutil.copytree(third, first)
    refused = call("predict", folder, png)
    assert (refused.code, refused.out) == (4, "") and "was made with weights" in refused.err
    shutil.rmtree(first)
    assert call("predict", folder, png).code == 2


@pytest.fixture
def png(tmp_path) -> Path:
    """An image as the digits are."""
    from PIL import Image

    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save(tmp_path / "x.png")
    return tmp_path / "x.png"


def test_predict_gives_what_the_ensemble_gave_each_run_in_its_own_form(call, image_folder, tmp_path):
    forms = (("data.size=8", "seed=0"), ("data.size=12", "data.channels=1", "seed=1"), ("data.size=8", "seed=2"))
    words = ("data=folder", f"data.root={image_folder}", "trainer.batch_size=16", "trainer.epochs=2", "model.width=4")
    for form in forms:
        assert call("train", *words, *form).code == 0
    runs = sorted(tmp_path.glob("outputs/run/*"))
    for merge in ("mean", "gmean", "vote"):
        found = document(call("ensemble", *runs, "--merge", merge, "--json"))
        kept = saved(Path(found["ensemble"]))
        paths = [image_folder / name for name in kept["ids"]]
        said = call("predict", found["ensemble"], *paths, "--output", f"{merge}.csv")
        assert said.code == 0, said.err
        assert f"the {merge} of 3 runs, ensemble {found['id']}" in said.out
        with (tmp_path / f"{merge}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        numbers = np.array([[np.float32(row[name]) for name in ("cat", "dog", "owl")] for row in rows])
        np.testing.assert_allclose(numbers, kept["probabilities"], atol=1e-6)
        assert [row["label"] for row in rows] == [("cat", "dog", "owl")[best] for best in numbers.argmax(axis=1)]
    bad = image_folder / "bad.png"
    bad.write_bytes(b"no image")
    said = call("predict", found["ensemble"], paths[0], bad, paths[1], "--format", "jsonl")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 3 and ["error" in line for line in lines] == [False, True, False]


def test_a_decision_of_a_run_is_not_applied(call, three, png):
    found = document(call("ensemble", *three, "--json"))
    before = call("predict", found["ensemble"], png, "--json").out
    assert call("calibrate", three[0], "--temperature").code == 0
    assert call("predict", found["ensemble"], png, "--json").out == before
    assert document(call("ensemble", *three, "--json")) == found
    assert found["decisions_applied"] is False


def test_predictions_with_test_time_augmentation_make_another_ensemble(call, image_folder, tmp_path):
    words = ("data=folder", f"data.root={image_folder}", "trainer.batch_size=16", "trainer.epochs=2", "model.width=4")
    for seed in (0, 1):
        assert call("train", *words, "data.size=8", "tta=hflip", f"seed={seed}").code == 0
    runs = sorted(tmp_path.glob("outputs/run/*"))
    for name, given in (("val", ()), ("val-tta", ("--tta",))):
        found = document(call("ensemble", *runs, *given, "--json"))
        mean = np.mean([saved(run, name)["probabilities"].astype(np.float64) for run in runs], axis=0)
        kept = saved(Path(found["ensemble"]))
        np.testing.assert_allclose(kept["probabilities"], mean, atol=1e-7)
        rows = json.loads(
            call("predict", found["ensemble"], *(image_folder / one for one in kept["ids"]), "--json").out
        )
        numbers = [list(row["probabilities"].values()) for row in rows]
        np.testing.assert_allclose(numbers, kept["probabilities"], atol=1e-6)
    assert len(list(tmp_path.glob("outputs/ensembles/*"))) == 2
