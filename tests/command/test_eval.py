"""cvrun eval: the numbers of a saved model on a split."""

import json
import math
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, log_loss, recall_score

from cvrun.trainer import checkpoint


def saved(folder, name):
    return np.load(folder / "predictions" / f"{name}.npz")


def one_document(text: str) -> dict:
    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_it_prints_the_numbers_of_the_last_evaluation_of_the_best_weights(call, finished, tools):
    best = {k.removeprefix("best/"): v for k, v in tools.records(finished)[-1].items() if k.startswith("best/val/")}
    before = {name: saved(finished, "val")[name] for name in ("probabilities", "targets", "ids")}
    said = call("eval", finished)
    assert said.code == 0
    printed = dict(line.split()[:2] for line in said.out.splitlines() if line.startswith("val/"))
    assert printed == {name: f"{value:.4f}" for name, value in best.items()}
    document = one_document(call("eval", finished, "--json").out)
    assert {f"val/{name}": value for name, value in document["metrics"].items()} == best
    assert document["images"] == 180
    assert document["tta"] is None
    for name, value in before.items():
        assert np.array_equal(saved(finished, "val")[name], value)


def test_its_metrics_are_those_of_scikit_learn(call, finished):
    document = one_document(call("eval", finished, "--split", "train", "--json").out)
    file = saved(finished, "train")
    probabilities, targets = file["probabilities"], file["targets"]
    labels = probabilities.argmax(axis=1)
    assert len(targets) == document["images"] == 1437
    assert document["metrics"]["accuracy"] == pytest.approx(accuracy_score(targets, labels))
    assert document["metrics"]["loss"] == pytest.approx(log_loss(targets, probabilities), rel=1e-5)
    recall = recall_score(targets, labels, average=None)
    assert [row["recall"] for row in document["per_class"]] == pytest.approx(list(recall))
    assert np.trace(document["confusion_matrix"]) == (labels == targets).sum()
    assert not (set(file["ids"]) & set(saved(finished, "val")["ids"]))


def test_a5_the_test_part_is_sealed(call, finished, tools):
    before = tools.files(finished.parents[1])
    said = call("eval", finished, "--split", "test")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "cvrun eval: --split test: the test part is sealed, expected train or val; cvrun test RUN --unseal opens it\n"
    )
    assert tools.files(finished.parents[1]) == before


def test_the_last_weights_are_those_after_the_last_step(call, finished):
    document = one_document(call("eval", finished, "--checkpoint", "last", "--json").out)
    assert document["step"] == 12
    assert (finished / "predictions/val-last.npz").is_file()
    best = one_document(call("eval", finished, "--json").out)
    assert best["step"] == checkpoint.read(finished / "checkpoints/step-00000012")["state"]["best"]["step"]


def test_test_time_augmentation_stands_beside_the_plain_numbers(call, finished):
    plain = one_document(call("eval", finished, "--json").out)
    both = one_document(call("eval", finished, "--tta", "hflip", "--json").out)
    assert both["metrics"] == plain["metrics"]
    assert both["tta"].keys() == plain["metrics"].keys()
    assert both["tta"]["loss"] != plain["metrics"]["loss"]
    assert "with tta" in call("eval", finished, "--tta", "hflip").out
    assert (finished / "predictions/val-hflip.npz").is_file()


def test_metrics_that_are_undefined_are_null(call, finished, monkeypatch):
    from cvrun.metric import accuracy

    monkeypatch.setattr(accuracy, "values", lambda prediction, weights: np.full(len(weights), math.nan))
    assert one_document(call("eval", finished, "--json").out)["metrics"]["accuracy"] is None
    assert re.search(r"^val/accuracy +- +-$", call("eval", finished).out, re.MULTILINE)


def test_machine_keys_may_follow(call, finished):
    assert call("eval", finished, "workers=1", "--split", "val").code == 0
    said = call("eval", finished, "seed=1")
    assert said.code == 2
    assert "seed=1" in said.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "required: run; cvrun eval --help says more\n"),
        (["nowhere"], "nowhere: no such run"),
        (["."], "not a run"),
        (["RUN", "--tta", "hflipp"], "did you mean 'hflip'?"),
        (["RUN", "--split", "all"], "invalid choice"),
    ],
)
def test_a_wrong_command_line_has_exit_code_2(call, finished, words, part):
    said = call("eval", *(finished if word == "RUN" else word for word in words))
    assert said.code == 2
    assert part in said.err
    assert said.out == ""


def test_a_near_name_is_offered(call, finished):
    said = call("eval", finished.with_name(finished.name[:-1]))
    assert f"did you mean '{finished.name}'?" in said.err


@pytest.mark.parametrize("command", ["eval", "resume", "predict"])
def test_a_configuration_that_was_edited_is_refused(call, finished, tools, image_folder, command):
    text = (finished / "spec.yaml").read_text()
    assert "\nseed: 0\n" in text
    (finished / "spec.yaml").write_text(text.replace("\nseed: 0\n", "\nseed: 5\n"))
    before = tools.files(finished)
    said = call(command, finished, *([image_folder] if command == "predict" else []))
    assert said.code == 4
    assert finished.name in said.err
    assert len(said.err.splitlines()) == 1
    assert tools.files(finished) == before


def test_checkpoints_of_another_run_are_refused(call, finished, tools, tmp_path):
    words = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "workers=0", "seed=1")
    assert call("train", *words).code == 0
    (other,) = (path for path in finished.parent.iterdir() if path != finished)
    shutil.rmtree(finished / "checkpoints")
    shutil.copytree(other / "checkpoints", finished / "checkpoints")
    before = tools.files(finished)
    said = call("eval", finished)
    assert said.code == 4
    assert f"belongs to run {other.name}" in said.err
    assert tools.files(finished) == before


def test_a_damaged_best_checkpoint_is_refused(call, finished, tools):
    tools.damage(checkpoint.commits(finished / "checkpoints", "best")[0])
    before = tools.files(finished)
    said = call("eval", finished)
    assert said.code == 4
    assert "sha256" in said.err
    assert tools.files(finished) == before


def test_a_run_without_a_checkpoint_says_so(call, finished):
    shutil.rmtree(finished / "checkpoints")
    said = call("eval", finished)
    assert said.code == 4
    assert "nothing has been trained" in said.err


@pytest.fixture
def odd(call, image_folder, tmp_path, monkeypatch):
    """A run on images of which Pillow warns whenever one is decoded."""
    words = ("data=folder", f"data.root={image_folder}", "data.size=8", "trainer.batch_size=16", "trainer.epochs=1")
    said = call("train", *words, "model.width=4", "cache=off", "workers=0", "strict_warnings=true", "audit=false")
    assert said.code == 0, said.err
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12 * 10 - 1)
    return next(tmp_path.glob("outputs/run/*"))


@pytest.mark.parametrize("command", ["eval", "predict"])
def test_a13_a_warning_ends_what_uses_a_strict_run(call, odd, image_folder, command):
    words = [command, odd, *([image_folder] if command == "predict" else [])]
    said = call(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.count("warning: DecompressionBombWarning: ") == 1
    assert said.err.splitlines()[-1].startswith(f"cvrun {command}: strict_warnings=true: DecompressionBombWarning")
    if command == "predict":
        file = odd.parent / "strict.csv"
        assert call(*words, "--output", file).code == 2
        assert not list(odd.parent.glob("*strict.csv*"))
    loose = [*(["--set"] if command == "predict" else []), "strict_warnings=false"]
    said = call(*words, *loose)
    assert said.code == 0
    assert said.err.count("DecompressionBombWarning") == 1
