"""M3: a test set from elsewhere, with a name of its own."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

CLASSES = ("ant", "bee", "cat", "dog")
WORDS = ("data.size=8", "model.width=4", "trainer.batch_size=8", "trainer.epochs=1", "workers=0")


def make_images(root, each, seed=0):
    """Generated images of four classes, which differ in brightness."""
    random = np.random.default_rng(seed)
    for number, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for i in range(each):
            pixels = random.integers(0, 60, (8, 8, 3)) + 60 * number
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i:02d}.png")
    return root


def run_folder(root):
    (path,) = root.glob("outputs/run/*")
    return path


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    """A run on 40 images."""
    from cvrun.cli import main

    root = tmp_path_factory.mktemp("external")
    make_images(root / "data", 10)
    assert main(["train", "data=folder", *WORDS, f"data.root={root}/data", f"output_root={root}/outputs"]) == 0
    return root


@pytest.fixture
def run(trained_once, tmp_path):
    shutil.copytree(trained_once / "data", tmp_path / "data")
    shutil.copytree(trained_once / "outputs", tmp_path / "outputs")
    return run_folder(tmp_path)


def elsewhere(tmp_path, *names, each=3):
    """Images of some classes, which differ from those of training by a byte at their ends."""
    root = tmp_path / "site_b"
    make_images(tmp_path / "made", each)
    for name in names:
        shutil.copytree(tmp_path / "made" / name, root / name)
    for path in root.rglob("*.png"):
        path.write_bytes(path.read_bytes() + b"\0")
    return root


def rows(tmp_path):
    path = tmp_path / "outputs/test-ledger.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_m3_all_its_images_are_measured_under_the_classes_of_the_model(call, run, tmp_path):
    root = elsewhere(tmp_path, "bee", "dog")
    said = call("test", run, "--unseal", "--external", f"site_b={root}", "--json", f"data.root={tmp_path}/data")
    assert said.code == 0, said.err
    document = json.loads(said.out)
    assert (document["external"], document["images"], document["split"]) == ("site_b", 6, "test")
    file = np.load(run / "predictions/test-site_b.npz")
    assert file["classes"].tolist() == list(CLASSES)
    assert file["targets"].tolist() == [1, 1, 1, 3, 3, 3]
    assert file["ids"].tolist() == [f"{name}/0{i}.png" for name in ("bee", "dog") for i in range(3)]
    assert not (run / "predictions/test.npz").exists()
    (row,) = rows(tmp_path)
    assert (row["external"], row["images"]) == ("site_b", 6)


def test_m3_it_has_openings_of_its_own(call, run, tmp_path):
    root = elsewhere(tmp_path, *CLASSES)
    own = (f"data.root={tmp_path}/data",)
    for _ in range(2):
        assert call("test", run, "--unseal", "--external", f"site_b={root}", *own).code == 0
    assert "this test set has been opened 1 time, by 1 model" in call("test", run, "--unseal", *own).out
    shutil.move(root, tmp_path / "moved")
    again = call("test", run, "--unseal", "--external", f"b={tmp_path}/moved", *own).out
    assert "this test set has been opened 3 times, by 1 model" in again
    assert len({row["test"] for row in rows(tmp_path)}) == 2 and len(rows(tmp_path)) == 4
    said = call("eval", run, *own).out.splitlines()[-3:]
    assert said == [
        "the test set of this run has been opened 1 time, by 1 model",
        "the external test set 'b' has been opened 3 times, by 1 model",
        "the external test set 'site_b' has been opened 3 times, by 1 model",
    ]


def test_a_root_with_parts_is_one_set(call, run, tmp_path):
    root = elsewhere(tmp_path, *CLASSES, each=2)
    for part in ("train", "test"):
        shutil.copytree(root, tmp_path / "parts" / part)
    said = call("test", run, "--unseal", "--external", f"p={tmp_path}/parts", "--json", f"data.root={tmp_path}/data")
    assert json.loads(said.out)["images"] == 16


def test_a_class_that_the_model_does_not_know_is_an_error_and_opens_nothing(call, run, tmp_path):
    root = elsewhere(tmp_path, "ant")
    shutil.copytree(root / "ant", root / "dogs")
    said = call("test", run, "--unseal", "--external", f"b={root}", f"data.root={tmp_path}/data")
    assert said.code == 3
    assert f"{root}: class 'dogs' is unknown to the model (1 such), expected ant, bee, cat, dog" in said.err
    assert said.err.endswith("did you mean 'dog'?\n") and rows(tmp_path) == []


@pytest.mark.parametrize("name", ["", "a/b", "..", "a-b", "a\x1b", "last", "tta", "hflip", "x" * 41, "ä"])
def test_a_name_that_is_no_name_of_a_file_of_its_own_is_refused(call, run, tmp_path, name):
    said = call("test", run, "--unseal", "--external", f"{name}={tmp_path}", f"data.root={tmp_path}/data")
    assert said.code == 2 and "expected NAME=ROOT with a name of letters, digits and _" in said.err
    assert said.err.rstrip("\n").isprintable() and rows(tmp_path) == []


def test_a_root_that_is_not_there_is_an_error(call, run, tmp_path):
    said = call("test", run, "--unseal", "--external", "b=/nowhere", f"data.root={tmp_path}/data")
    assert said.code == 3 and "data.root=/nowhere: does not exist" in said.err
    said = call("test", run, "--unseal", "--external", "b=", f"data.root={tmp_path}/data")
    assert said.code == 2 and "expected NAME=ROOT" in said.err


def test_data_without_a_root_have_no_other(call, finished, tmp_path):
    said = call("test", finished, "--unseal", "--external", f"b={tmp_path}")
    assert said.code == 2 and "this run's data has no root" in said.err


def test_a_table_elsewhere_needs_no_column_of_splits(call, tmp_path):
    data = make_images(tmp_path / "data", 10)
    names = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    parts = ("train", "train", "train", "val", "test")
    table = [f"{name},{name.partition('/')[0]},{parts[i % 5]}" for i, name in enumerate(names)]
    (data / "manifest.csv").write_text("\n".join(["path,label,split", *table]))
    csv = ["data=csv", "data.split_column=split", "split=official", f"data.root={data}"]
    assert call("train", *WORDS, *csv).code == 0
    root = elsewhere(tmp_path, "cat")
    (root / "manifest.csv").write_text("path,label\ncat/00.png,cat\ncat/02.png,cat\n")
    said = call("test", run_folder(tmp_path), "--unseal", "--external", f"b={root}", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["images"] == 2


def test_synthetic_images_stay_out_of_it(call, run, tmp_path):
    data, made = tmp_path / "data2", make_images(tmp_path / "synthetic", 2)
    make_images(data, 10, seed=1)
    words = ["data=folder", *WORDS, f"data.root={data}", f"data.extra={made}", "name=s", "audit=false"]
    assert call("train", *words).code == 0
    (folder,) = (tmp_path / "outputs/s").iterdir()
    root = elsewhere(tmp_path, "cat")
    said = call("test", folder, "--unseal", "--external", f"b={root}", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["images"] == 3


def test_names_that_are_hidden_are_hidden_in_what_is_wrong_with_its_table(call, tmp_path):
    data = make_images(tmp_path / "data", 10)
    names = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    (data / "manifest.csv").write_text("\n".join(["path,label", *(f"{name},{name[:3]}" for name in names)]))
    assert call("train", *WORDS, "data=csv", f"data.root={data}", "data.hash_ids=true").code == 0
    root = elsewhere(tmp_path, "cat")
    (root / "manifest.csv").write_text("path,label\ncat/00.png,cat\nmueller.png,cat\n")
    said = call("test", run_folder(tmp_path), "--unseal", "--external", f"b={root}")
    assert said.code == 3 and "mueller" not in said.err
    assert "data.hash_ids=true: the data cannot be listed, row 3; what is wrong is not said" in said.err
    (root / "manifest.csv").write_text("path,label\ncat/00.png,cat\n")
    shutil.copy(data / "cat/00.png", root / "cat/00.png")
    said = call("test", run_folder(tmp_path), "--unseal", "--external", f"b={root}")
    assert said.code == 3 and "1 of 1 test images is in train or val as well" in said.err and "00.png" not in said.err
