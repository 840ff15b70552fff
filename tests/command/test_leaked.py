"""Images of a test set that the model has been trained or chosen on."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cvrun.cli import main

CLASSES = ("ant", "bee", "cat")
PARTS = {"train": 12, "val": 4, "test": 4}
WORDS = ("data.size=16", "model.width=4", "trainer.batch_size=12", "trainer.epochs=1", "workers=0")
BARE = ("audit=false", "cache=off", "seed=1")


def make_images(root, seed):
    """Blurred noise of three classes in three parts, PNG: no picture is like another."""
    random = np.random.default_rng(seed)
    for part, count in PARTS.items():
        for name in CLASSES:
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3)).astype(np.uint8))
                coarse.resize((32, 32), Image.Resampling.BICUBIC).save(root / part / name / f"{i:02d}.png")
    return root


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    root = tmp_path_factory.mktemp("leaked")
    make_images(root / "data", 0)
    words = ("data=folder", "split=official", *WORDS, f"data.root={root}/data", f"output_root={root}/outputs")
    assert main(["train", *words, "name=usual"]) == main(["train", *words, "name=bare", *BARE]) == 0
    return root


@pytest.fixture
def data(trained_once, tmp_path):
    return shutil.copytree(trained_once / "data", tmp_path / "data")


@pytest.fixture
def test(call, trained_once, data, tmp_path, tools):
    """Opens the test set of a copy of a run, whose data may be changed; what is refused has to write nothing."""
    outputs = shutil.copytree(trained_once / "outputs", tmp_path / "outputs")

    def test(*words, name="usual"):
        (run,) = (outputs / name).iterdir()
        before = tools.files(outputs)
        said = call("test", run, "--unseal", f"data.root={data}", *words)
        if said.code:
            assert tools.files(outputs) == before
        return said

    test.rows = lambda: [json.loads(line) for line in (outputs / "test-ledger.jsonl").read_text().splitlines()]
    return test


def leak(data, part="train", count=4, names=CLASSES, change=lambda path: None):
    """Put copies of images of another part in place of test images."""
    for name in names:
        for i in range(count):
            path = data / "test" / name / f"{i:02d}.png"
            shutil.copy(data / part / name / f"{i:02d}.png", path)
            change(path)


def add_a_byte(path):
    path.write_bytes(path.read_bytes() + b"\0")


def as_jpeg(path):
    image = Image.open(path).convert("RGB")
    image.save(path, "JPEG", quality=90)


def test_a_test_set_of_its_own_opens_without_a_word(test):
    said = test()
    assert said.code == 0 and "train or val" not in said.out + said.err
    assert [row["leaked"] for row in test.rows()] == [0]
    assert json.loads(test("--json").out)["leaked"] == 0


@pytest.mark.parametrize("name", ["usual", "bare"])
def test_copies_of_files_are_refused_and_nothing_is_opened(test, data, name):
    leak(data)
    said = test(name=name)
    assert (said.code, said.out) == (3, "")
    assert "12 of 12 test images are in train or val as well (12 identical), such as" in said.err
    assert "test/ant/00.png (test) = train/ant/00.png (train), test/ant/01.png (test) = " in said.err
    assert "--accept-leakage opens it all the same" in said.err and len(said.err.splitlines()) == 1


def test_images_of_validation_count_as_well(test, data):
    leak(data, "val", count=1, names=["bee"])
    said = test(name="bare")
    assert said.code == 3
    assert "1 of 12 test images is in train or val as well (1 identical)" in said.err
    assert "test/bee/00.png (test) = val/bee/00.png (val)" in said.err


@pytest.mark.parametrize(("change", "counted"), [(add_a_byte, "4 identical"), (as_jpeg, "4 copied with small changes")])
def test_the_same_pictures_in_other_files_are_found_by_the_audit(test, data, change, counted):
    leak(data, names=["cat"], change=change)
    said = test()
    assert said.code == 3 and f"4 of 12 test images are in train or val as well ({counted})" in said.err
    assert "test/cat/00.png (test) " in said.err and " train/cat/00.png (train)" in said.err
    assert test(name="bare").code == 0
    assert [row["leaked"] for row in test.rows()] == [0]


def test_bytes_and_pictures_are_counted_once_each(test, data):
    leak(data, names=["ant"])
    leak(data, names=["bee"], count=3, change=add_a_byte)
    leak(data, "val", names=["cat"], count=2, change=as_jpeg)
    said = test()
    assert "9 of 12 test images are in train or val as well (7 identical, 2 copied with small changes)" in said.err


def test_what_is_accepted_is_said_and_kept(test, data):
    leak(data, names=["ant", "bee"])
    said = test("--accept-leakage")
    assert said.code == 0
    assert "\n\n8 of 12 test images are in train or val as well (8 identical); --accept-leakage\nthis test" in said.out
    assert json.loads(test("--accept-leakage", "--json").out)["leaked"] == 8
    assert [row["leaked"] for row in test.rows()] == [8, 8]


def test_a_run_that_accepts_it_needs_no_flag(call, data, tmp_path):
    leak(data, count=1)
    words = ("data=folder", "split=official", *WORDS, f"data.root={data}", "data.accept_leakage=true", "name=a")
    assert call("train", *words).code == 0
    (run,) = (tmp_path / "outputs/a").iterdir()
    said = call("test", run, "--unseal")
    assert said.code == 0
    assert "3 of 12 test images are in train or val as well (3 identical); data.accept_leakage=true\n" in said.out
    assert json.loads((run / "test.jsonl").read_text())["leaked"] == 3


def test_a_set_from_elsewhere_that_is_a_copy_of_training_is_refused(test, data, tmp_path):
    root = shutil.copytree(data / "train", tmp_path / "site_b")
    said = test("--external", f"b={root}")
    assert said.code == 3
    assert "--external b: 36 of 36 test images are in train or val as well (36 identical), such as ant" in said.err
    assert "ant/00.png (test) = train/ant/00.png (train)" in said.err
    said = test("--external", f"b={root}", "--accept-leakage")
    assert said.code == 0 and "36 of 36 test images are in train or val as well" in said.out
    assert [(row["external"], row["leaked"]) for row in test.rows()] == [("b", 36)]


def test_a_set_from_elsewhere_with_images_of_its_own_opens(test, tmp_path):
    root = make_images(tmp_path / "made", 1) / "test"
    shutil.copy(tmp_path / "data/test/ant/00.png", root / "ant/zz.png")
    said = test("--external", f"b={root}")
    assert said.code == 0 and "train or val" not in said.out
    assert [row["leaked"] for row in test.rows()] == [0]


@pytest.mark.parametrize(("name", "words"), [("usual", ()), ("bare", ()), ("bare", ("workers=2",))])
def test_an_image_that_cannot_be_decoded_costs_no_opening(test, data, name, words):
    for path in (data / "test/cat/02.png", data / "test/ant/01.png"):
        path.write_bytes(b"no image")
    for more in ((), ("--external", f"b={data}/test")):
        said = test(*words, *more, name=name)
        assert said.code == 3 and "ant/01.png: cannot be decoded" in said.err
        assert said.err.endswith("cat/02.png; 2 of 12 test images cannot be used\n")


def test_a_reason_is_asked_for_before_an_image_is_decoded(test, data):
    assert test().code == 0
    (data / "test/cat/02.png").write_bytes(b"no image")
    said = test(name="bare")
    # 11 of the 13 images that are in one of both sets or in both.
    share = "a test set that shares images with this one (about 85% of all images of both) was opened for another"
    assert said.code == 2 and share in said.err and "another model on it needs a reason" in said.err
    assert test("--reason", "why", name="bare").code == 3


def test_the_images_of_embedded_data_are_compared_as_well(finished, call):
    """The digits have no files; none of them is there twice."""
    said = call("test", finished, "--unseal", "--json")
    assert json.loads(said.out)["leaked"] == 0
