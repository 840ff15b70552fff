"""--by, --prevalence and --scatter: the data are a table of 90 images with a site and a patient each."""

import argparse
import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score

from cvrun.command._closer import Asked, add_closer, asked
from cvrun.command._trained import load_trained
from cvrun.config import load
from cvrun.data import ImageForm, Manifest
from cvrun.errors import ConfigError

SITES = ("north", "south", "east")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """150 grey images of two classes; the last site has 8 of them."""
    root = tmp_path_factory.mktemp("table")
    random = np.random.default_rng(0)
    rows = []
    for i in range(150):
        label = i % 2
        Image.fromarray((random.integers(0, 200, (8, 8)) + 40 * label).astype(np.uint8)).save(root / f"{i:03d}.png")
        part = "train" if i < 60 else "val"
        site = SITES[2] if i >= 142 else SITES[i % 3 % 2]
        rows.append((f"{i:03d}.png", ("well", "ill")[label], part, site, f"p{i // 3}"))
    with (root / "manifest.csv").open("w") as file:
        csv.writer(file).writerows([("path", "label", "part", "site", "patient"), *rows])
    return root


@pytest.fixture
def trained(call, data, tmp_path):
    words = ("data=csv", f"data.root={data}", "data.split_column=part", "split=official", "data.size=8")
    words += (
        "data.channels=1",
        "data.group_by=patient",
        "data.accept_leakage=true",
        "trainer.batch_size=20",
        "audit=false",
    )
    said = call("train", *words, "trainer.epochs=2", "model.width=4", "workers=0")
    assert said.code == 0, said.err
    return next(tmp_path.glob("outputs/run/*"))


def table(data):
    with (data / "manifest.csv").open() as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def test_m17_slices_of_a_column_sum_to_the_total(call, trained, data):
    document = json.loads(call("eval", trained, "--by", "site", "--by", "class", "--json").out)
    saved = np.load(trained / "predictions/val.npz")
    labels = saved["probabilities"].argmax(axis=1)
    site = np.array([table(data)[name]["site"] for name in saved["ids"]])
    found = document["by"]["site"]
    assert [row["value"] for row in found["slices"]] == ["north", "south"]
    for row in found["slices"]:
        inside = site == row["value"]
        assert row["accuracy"] == pytest.approx(accuracy_score(saved["targets"][inside], labels[inside]))
        assert row["roc_auc"] == pytest.approx(
            roc_auc_score(saved["targets"][inside], saved["probabilities"][inside, 1])
        )
        assert set(document["metrics"]) <= set(row)
    for name in ("accuracy", "roc_auc"):
        assert found["worst"][name][name] == min(row[name] for row in found["slices"])
    assert found["worst"]["loss"]["loss"] == max(row["loss"] for row in found["slices"])
    assert found["hidden"] == {"values": 1, "images": 8}
    for part in document["by"].values():
        assert sum(row["images"] for row in part["slices"]) + part["hidden"]["images"] == document["images"] == 90
    recalls = {row["class"]: row["recall"] for row in document["per_class"]}
    assert {row["value"]: row["accuracy"] for row in document["by"]["class"]["slices"]} == pytest.approx(recalls)
    text = call("eval", trained, "--by", "site").out
    assert "site: hidden: 1 value with fewer than 10 images, together 8 images\n" in text
    assert "east" not in text
    assert f"site: worst accuracy {found['worst']['accuracy']['accuracy']:.4f} (" in text


def test_m17_groups_that_are_all_small_are_all_hidden(call, trained):
    said = call("eval", trained, "--by", "group")
    assert "group: hidden: 30 values with fewer than 10 images, together 90 images" in said.out


def test_a2_predictive_values_at_a_prevalence(call, trained):
    document = json.loads(call("eval", trained, "--prevalence", "0.01", "--json").out)
    saved = np.load(trained / "predictions/val.npz")
    assert list(saved["classes"]) == ["ill", "well"]
    (tp, fn), (fp, tn) = confusion_matrix(saved["targets"], saved["probabilities"].argmax(axis=1))
    ill, well = document["prevalence"]
    assert (ill["class"], ill["prevalence"], well["prevalence"]) == ("ill", 0.99, 0.01)
    assert ill["sensitivity"] == well["specificity"] == pytest.approx(tp / (tp + fn))
    hits, alarms = 0.99 * tp / (tp + fn), 0.01 * fp / (fp + tn)
    assert ill["ppv"] == pytest.approx(hits / (hits + alarms))
    assert ill["npv"] == pytest.approx(well["ppv"])
    assert "PPV there" in call("eval", trained, "--prevalence", "ill=0.1").out


def test_a11_scatter_of_the_features_that_the_head_sees(call, trained):
    document = json.loads(call("eval", trained, "--scatter", "workers=0", "--json").out)
    spec = load(trained / "spec.yaml", [])
    model = load_trained(spec, trained / "checkpoints", "best", None, print)
    saved = np.load(trained / "predictions/val.npz")
    from cvrun.selection import select

    paths = dict(zip(select(spec).manifest.ids, select(spec).manifest.paths, strict=True))
    pixels = np.stack([np.asarray(Image.open(paths[name])) for name in saved["ids"]])[:, None]
    with torch.inference_mode(), model.autocast():
        image = model.normalize(torch.from_numpy(pixels))
        head, model.model.head = model.model.head, torch.nn.Identity()
        features = model.model(image).float().numpy().astype(np.float64)
        logits = head(torch.from_numpy(features).float())
    assert np.allclose(torch.softmax(logits.float(), 1).numpy(), saved["probabilities"], atol=2e-2)
    found = document["scatter"]
    assert found["features"] == features.shape[1]
    assert found["total"] == pytest.approx(features.var(axis=0).sum(), rel=2e-2)
    assert found["within"] + found["between"] == pytest.approx(found["total"])
    assert "scatter within" in call("eval", trained, "--scatter").out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--by", "sitee"), "--by sitee: expected one of site, patient, group, class; did you mean 'site'?"),
        (("--prevalence", "sick=0.1"), "--prevalence sick=0.1: class 'sick', expected one of ill, well"),
        (("--prevalence", "ill=2"), "--prevalence ill=2: expected a number between 0 and 1"),
        (("--prevalence", "often"), "--prevalence often: expected a number between 0 and 1"),
        (("--prevalence", "ill=0.3", "--prevalence", "well=0.3"), "the classes have 0.6 together, expected 1"),
    ],
)
def test_what_is_not_in_the_data_has_exit_code_2(call, trained, words, part):
    said = call("eval", trained, *words)
    assert (said.code, said.out) == (2, "")
    assert part in said.err
    assert len(said.err.splitlines()) == 1


def of_three():
    labels = np.arange(3)
    columns = {"class": ("u", "v", "w")}
    form = ImageForm(1, 1, "stretch")
    return Manifest(("1", "2", "3"), labels, ("a", "b=c", "d"), form, np.zeros((3, 1, 1, 1), np.uint8), columns=columns)


def parsed(*words) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_closer(parser)
    return parser.parse_args(words)


def test_of_three_classes_those_are_taken_that_are_named():
    manifest = of_three()
    found = asked(parsed("--prevalence", "d=0.2", "--prevalence", "b=c=0.1"), manifest, manifest.classes)
    assert found.prevalences == {1: 0.1, 2: 0.2}
    with pytest.raises(ConfigError, match="of 3 classes, expected CLASS=P"):
        asked(parsed("--prevalence", "0.2"), manifest, manifest.classes)
    with pytest.raises(ConfigError, match="1.1 together, expected at most 1"):
        asked(parsed("--prevalence", "d=0.6", "--prevalence", "a=0.5"), manifest, manifest.classes)


def test_a_column_goes_before_what_every_split_has():
    manifest = of_three()
    assert asked(parsed("--by", "class"), manifest, manifest.classes).by == {"class": ("u", "v", "w")}
    with pytest.raises(ConfigError, match="--by group: expected one of class$"):
        asked(parsed("--by", "group"), manifest, manifest.classes)


def test_nothing_asked_for_is_nothing():
    manifest = of_three()
    assert asked(parsed(), manifest, manifest.classes) == Asked()
