import csv
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, roc_auc_score

from cvrun.command._report_slices import aggregation, slices_of
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.metric import Prediction
from cvrun.prepare import metrics_of

SITES = ("north", "south", "east")


@pytest.fixture
def by_site(call, tmp_path):
    """A finished run on 160 images of two classes in 40 groups of 4, split by a column of three sites."""
    random = np.random.default_rng(0)
    root = tmp_path / "data"
    root.mkdir()
    with (root / "m.csv").open("w") as file:
        file.write("path,label,slide,site\n")
        for i in range(160):
            pixels = random.integers(0, 160, (8, 8)) + 60 * (i // 4 % 2)
            Image.fromarray(pixels.astype(np.uint8)).save(root / f"{i}.png")
            file.write(f"{i}.png,{'ab'[i // 4 % 2]},s{i // 4},{SITES[i // 8 % 3]}\n")
    words = ("data=csv", f"data.root={root}", "data.file=m.csv", "data.group_column=slide", "data.size=8")
    words += ("data.stratify_by=site", "split.grouped=true", "split.val=0.4", "split.test=0.1")
    said = call("train", *words, "model.width=4", "trainer.epochs=1", "trainer.batch_size=16", "workers=0")
    assert said.code == 0, said.err
    return next(tmp_path.glob("outputs/run/*"))


def test_m17_groups_sum_to_the_total_and_columns_are_those_of_the_split(call, by_site, tmp_path):
    assert call("report", by_site).code == 0
    found = json.loads(call("report", by_site, "--format", "json").out)["slices"]
    assert list(found["by"]) == ["group", "site"]
    parts = {row["id"]: row for row in csv.DictReader((by_site / "data.csv").read_text().splitlines())}
    val = [name for name, row in parts.items() if row["part"] == "val"]
    for values in found["by"].values():
        assert sum(row["images"] for row in values["slices"]) + values["hidden"]["images"] == len(val)
    # Each group has four images.
    assert found["by"]["group"]["slices"] == [] and found["by"]["group"]["hidden"]["values"] == len(val) // 4
    site = {row["path"]: row["site"] for row in csv.DictReader((tmp_path / "data" / "m.csv").read_text().splitlines())}
    file = np.load(by_site / "predictions" / "val.npz")
    for row in found["by"]["site"]["slices"]:
        inside = [site[name] == row["value"] for name in file["ids"].tolist()]
        wanted = accuracy_score(file["targets"][inside], file["probabilities"].argmax(1)[inside])
        assert row["accuracy"] == wanted
    page = (by_site / "report.html").read_text()
    assert "By site" in page and "Worst of" in page and "By group" in page


def test_a_column_that_is_asked_for_is_one_of_the_data(call, by_site, tmp_path):
    found = json.loads(call("report", by_site, "--format", "json", "--by", "class").out)["slices"]
    assert sum(row["images"] for row in found["by"]["class"]["slices"]) == found["by"]["class"]["hidden"]["images"] + 64
    said = call("report", by_site, "--by", "sight")
    assert said.code == 2 and "did you mean" in said.err and said.err.count("\n") == 1
    for path in (tmp_path / "data").glob("*.png"):
        path.unlink()
    (tmp_path / "data" / "m.csv").unlink()
    said = call("report", by_site, "--by", "site")
    assert said.code == 2 and "--by site: the data cannot be read here" in said.err and said.err.count("\n") == 1
    # The split's own column is left out, and groups are known without the data.
    found = json.loads(call("report", by_site, "--format", "json").out)["slices"]
    assert list(found["by"]) == ["group"] and "the data cannot be read here" in found["note"]


def test_by_needs_the_report_of_one_run(call, finished):
    for words in ((finished.parent, "--by", "class"), (finished, "--by", "class", "--checklist", "claim")):
        said = call("report", *words)
        assert said.code == 2 and "--by class" in said.err


def test_m14_a_mean_over_groups_counts_each_group_once_and_the_undefined():
    random = np.random.default_rng(1)
    targets = random.integers(0, 2, 300)
    groups = np.repeat(["a", "b", "c"], [200, 90, 10])
    # In c there is one class alone, so that no ROC-AUC is defined.
    targets[290:] = 1
    positive = np.clip(0.5 + 0.3 * (targets - 0.5) + random.normal(0, 0.3, 300), 0.01, 0.99)
    prediction = Prediction(np.stack([1 - positive, positive], 1).astype(np.float32), targets)
    found = aggregation(prediction, groups.tolist(), metrics_of(2))
    rows = {row["metric"]: row for row in found["rows"]}
    assert found["groups"] == 3

    def each(score, values):
        return [
            score(targets[groups == name], values[groups == name])
            for name in "abc"[: 3 if score is accuracy_score else 2]
        ]

    labels = prediction.probabilities.argmax(1)
    assert rows["accuracy"]["images"] == pytest.approx(accuracy_score(targets, labels))
    assert rows["accuracy"]["groups"] == pytest.approx(np.mean(each(accuracy_score, labels)))
    assert rows["accuracy"]["undefined"] == 0
    assert rows["roc_auc"]["groups"] == pytest.approx(np.mean(each(roc_auc_score, prediction.probabilities[:, 1])))
    assert rows["roc_auc"]["undefined"] == 1


def test_without_groups_nothing_is_averaged_over_them(finished_once):
    found = slices_of(RunFolder(finished_once), lambda: (None, "not asked for"), [])
    assert found["by"] == {} and found["note"] == "" and found["aggregation"]["groups"] == 0
    assert all(row["groups"] is None and row["undefined"] is None for row in found["aggregation"]["rows"])
    with pytest.raises(ConfigError, match="--by x: gone"):
        slices_of(RunFolder(finished_once), lambda: (None, "gone"), ["x"])


@pytest.mark.parametrize("groups", [1, 1001])
def test_with_one_group_or_too_many_no_mean_is_taken_over_them(groups):
    count = 1200
    prediction = Prediction(np.full((count, 2), 0.5, np.float32), np.zeros(count, np.int64))
    found = aggregation(prediction, [f"g{i % groups}" for i in range(count)], metrics_of(2))
    assert found["groups"] == groups and all(row["undefined"] is None for row in found["rows"])
