"""cvrun suspects: labels that may be wrong."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

QUICK = ("model.width=8", "trainer.epochs=10", "trainer.batch_size=32", "trainer.precision=fp32", "name=folds")


@pytest.fixture
def flipped(tmp_path):
    """900 digits as files, in three parts of a table; 45 of them (5 %) have another label than theirs."""
    root = tmp_path / "digits"
    root.mkdir()
    images, targets = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    wrong = set(random.choice(900, 45, replace=False).tolist())
    with (root / "manifest.csv").open("w") as file:
        file.write("path,label\n")
        for i in range(900):
            Image.fromarray((images[i].reshape(8, 8) * 15).astype(np.uint8)).save(root / f"{i}.png")
            label = (targets[i] + random.integers(1, 10)) % 10 if i in wrong else targets[i]
            file.write(f"{i}.png,{label}\n")
    return root, {f"{i}.png" for i in wrong}


def test_a9_flipped_labels_are_at_the_top_of_the_list(call, flipped, tmp_path):
    root, wrong = flipped
    data = ("data=csv", f"data.root={root}", "data.size=8", "data.channels=1", "split=kfold", "split.folds=3")
    for fold in range(3):
        assert call("train", *data, *QUICK, f"split.fold={fold}").code == 0
    runs = sorted(Path("outputs/folds").iterdir())
    said = call("suspects", *runs, "--top", "45", "--json", "--output", "suspects.csv")
    found = json.loads(said.out)
    hits = sum(one["name"] in wrong for one in found)
    # By chance 5 % of 45 are hits, two of them.
    assert len(found) == 45 and hits >= 40
    assert all(one["runs"] == 1 for one in found)
    rows = list(csv.DictReader((tmp_path / "suspects.csv").read_text().splitlines()))
    assert [row["path"] for row in rows] == [one["name"] for one in found]
    assert rows[0]["reason"].startswith("suspect label ")
    assert call("check", *data, *QUICK, "data.exclude=suspects.csv").code == 0
    table = call("suspects", *runs, "--top", "5")
    assert table.code == 0 and "5 of 900 validation images of 3 runs" in table.out
    said = call("suspects", *runs, "--output", "suspects.csv")
    assert said.code == 2 and "--force replaces it" in said.err
    said = call("suspects", *runs, "--output", root / "suspects.csv")
    assert said.code == 2 and f"lies below data.root={root}, expected a file outside of the data" in said.err
    assert not (root / "suspects.csv").exists()


def test_wrong_words_are_one_line(call, tmp_path):
    assert call("suspects").code == 2
    assert call("suspects", "nowhere").code == 2
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "spec.yaml").write_text("")
    said = call("suspects", "run")
    assert said.code == 3 and "predictions/val.npz: not there" in said.err
    assert call("suspects", "run", "--top", "0").code == 2
