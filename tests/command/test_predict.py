"""cvrun predict: a CSV that says exactly what the model says."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from cvrun.command.predict import _csv, image_files
from cvrun.errors import DataError


@pytest.fixture
def trained(call, image_folder, tmp_path):
    """A run on the image folder."""
    words = ("data=folder", f"data.root={image_folder}", "data.size=8", "trainer.batch_size=16", "trainer.epochs=2")
    assert call("train", *words, "model.width=4").code == 0
    return next(tmp_path.glob("outputs/run/*"))


def rows(path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_probabilities_read_back_equal_to_those_of_the_evaluation(call, trained, image_folder, tmp_path):
    saved = np.load(trained / "predictions/val.npz")
    paths = [image_folder / name for name in saved["ids"]]
    said = call("predict", trained, *paths, "--output", "p.csv")
    assert said.code == 0
    assert "p.csv: 6 images" in said.out
    found = rows(tmp_path / "p.csv")
    assert list(found[0]) == ["path", "label", "score", "cat", "dog", "owl"]
    numbers = np.array([[np.float32(row[name]) for name in ("cat", "dog", "owl")] for row in found])
    assert np.array_equal(numbers, saved["probabilities"])
    for row, probabilities in zip(found, saved["probabilities"], strict=True):
        best = probabilities.argmax()
        assert row["label"] == ("cat", "dog", "owl")[best]
        assert np.float32(row["score"]) == probabilities[best]
    assert [row["path"] for row in found] == [str(path) for path in paths]


def test_it_needs_no_data_set(call, trained, image_folder, tmp_path):
    shutil.copy(image_folder / "owl" / "03.png", tmp_path / "x.png")
    shutil.rmtree(image_folder)
    assert call("predict", trained, "x.png", "--output", "p.csv").code == 0
    assert [row["path"] for row in rows(tmp_path / "p.csv")] == ["x.png"]


def test_folders_are_searched_and_each_image_comes_once(call, trained, image_folder, tmp_path):
    (image_folder / "notes.txt").write_text("no image")
    call("predict", trained, image_folder, image_folder / "cat" / "00.png", image_folder / "cat", "--output", "p.csv")
    found = [row["path"] for row in rows(tmp_path / "p.csv")]
    assert found == sorted(str(path) for path in image_folder.rglob("*.png"))
    assert len(found) == 60


def test_chunks_do_not_show(call, trained, image_folder, tmp_path, monkeypatch):
    from cvrun.command import predict

    call("predict", trained, image_folder, "--output", "one.csv")
    monkeypatch.setattr(predict, "CHUNK", 7)
    call("predict", trained, image_folder, "--output", "many.csv")
    one, many = rows(tmp_path / "one.csv"), rows(tmp_path / "many.csv")
    assert [row["path"] for row in one] == [row["path"] for row in many]
    for name in ("cat", "dog", "owl"):
        assert [float(row[name]) for row in one] == pytest.approx([float(row[name]) for row in many], abs=1e-5)


def test_an_output_that_exists_is_kept_unless_forced(call, trained, image_folder, tmp_path):
    (tmp_path / "p.csv").write_text("precious")
    said = call("predict", trained, image_folder, "--output", "p.csv")
    assert said.code == 2
    assert "--force" in said.err
    assert (tmp_path / "p.csv").read_text() == "precious"
    assert call("predict", trained, image_folder, "--output", "p.csv", "--force").code == 0
    assert len(rows(tmp_path / "p.csv")) == 60


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_cannot_be_decoded_is_named_and_nothing_written(call, trained, image_folder, tmp_path, content):
    (image_folder / "cat" / "07.png").write_bytes(content)
    said = call("predict", trained, image_folder, "--output", "p.csv")
    assert said.code == 3
    assert "cat/07.png" in said.err
    assert "1 of 60 images" in said.err
    assert not (tmp_path / "p.csv").exists()


def test_missing_paths_and_empty_folders_are_named(call, trained, tmp_path):
    (tmp_path / "empty").mkdir()
    for path, part in (("nowhere.png", "nowhere.png: no such file"), ("empty", "empty: no images found")):
        said = call("predict", trained, path, "--output", "p.csv")
        assert said.code == 3
        assert part in said.err
    assert not (tmp_path / "p.csv").exists()


def test_json_and_standard_output(call, trained, image_folder):
    said = call("predict", trained, image_folder / "cat", "--json")
    document = json.loads(said.out)
    assert len(document) == 20
    assert set(document[0]) == {"path", "label", "score", "probabilities"}
    for row in document:
        assert row["label"] == max(row["probabilities"], key=row["probabilities"].get)
        assert row["score"] == row["probabilities"][row["label"]]
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    table = call("predict", trained, image_folder / "cat")
    assert table.out.splitlines()[0] == "path,label,score,cat,dog,owl"
    assert len(table.out.splitlines()) == 21
    assert [row["score"] for row in document] == [float(row["score"]) for row in csv.DictReader(table.out.splitlines())]


def test_test_time_augmentation_and_the_last_weights(call, trained, image_folder):
    plain = call("predict", trained, image_folder / "cat").out
    assert call("predict", trained, image_folder / "cat", "--tta", "hflip").out != plain
    assert call("predict", trained, image_folder / "cat", "--checkpoint", "last").code == 0
    assert call("predict", trained, image_folder / "cat", "--set", "device=cpu").out == plain
    assert call("predict", trained, image_folder / "cat", "--set", "seed=1").code == 2


def test_a_path_that_is_no_utf8_keeps_its_bytes(call, trained, image_folder, tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    shutil.copy(image_folder / "cat" / "00.png", tmp_path / name)
    assert call("predict", trained, tmp_path / name, "--output", "p.csv").code == 0
    assert b"caf\xe9.png" in (tmp_path / "p.csv").read_bytes()


@pytest.mark.parametrize("name", ["a,b", 'say "cat"', "two\nlines", "car\rriage", " space", "", "ü"])
def test_any_class_name_and_path_survives(tmp_path, name):
    probabilities = np.array([0.1, 0.9], dtype=np.float32)
    path = tmp_path / "p.csv"
    path.write_bytes(_csv(iter([(name, probabilities)]), ("other", name)).encode())
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["path", "label", "score", "other", name], [name, name, "0.9", "0.1", "0.9"]]


@pytest.mark.parametrize("bits", [1, 0x00800000, 0x3F7FFFFF, 0x3DCCCCCD, 0x3EAAAAAB])
def test_a_float32_survives_its_text(bits):
    number = np.array([bits], dtype=np.uint32).view(np.float32)
    text = _csv(iter([("p", number)]), ("a",)).splitlines()[1].split(",")[3]
    assert np.float32(text).view(np.uint32) == bits


def test_a_link_to_a_folder_and_capital_suffixes_are_found(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "a" / "X.PNG")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert image_files([tmp_path / "b"]) == [tmp_path / "b" / "X.PNG"]


def test_a_broken_link_is_missing(tmp_path):
    (tmp_path / "x.png").symlink_to(tmp_path / "nothing")
    with pytest.raises(DataError, match="no such file"):
        image_files([tmp_path / "x.png"])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_names_are_no_formulas_and_numbers_are_numbers(tmp_path, start):
    name = f"{start}cmd|' /C calc'!A0"
    probabilities = np.array([-0.5, 1e-7], dtype=np.float32)
    path = tmp_path / "p.csv"
    path.write_bytes(_csv(iter([(name, probabilities)]), (name, "other")).encode())
    with path.open(newline="") as file:
        header, row = csv.reader(file)
    assert header == ["path", "label", "score", f"'{name}", "other"]
    assert row == [f"./{name}", "other", "1e-07", "-0.5", "1e-07"]


def test_json_holds_names_as_they_are(call, trained, image_folder, tmp_path):
    shutil.copy(image_folder / "cat" / "00.png", tmp_path / "=1+1.png")
    assert json.loads(call("predict", trained, "=1+1.png", "--json").out)[0]["path"] == "=1+1.png"
    (row,) = csv.DictReader(call("predict", trained, "=1+1.png").out.splitlines())
    assert row["path"] == "./=1+1.png"
    assert (tmp_path / row["path"]).is_file()


def test_a_path_that_does_not_exist_cannot_steer_a_terminal(call, trained):
    said = call("predict", trained, "\x1b]0;title\x07\x1b[2J.png")
    assert (said.code, said.out) == (3, "")
    assert "\x1b" not in said.err and "\x07" not in said.err
    assert said.err.startswith("cvrun predict: \\x1b]0;title\\x07\\x1b[2J.png: no such file")


def test_the_name_of_a_class_is_no_markup(call, image_folder, tmp_path):
    (image_folder / "cat").rename(image_folder / "[red]x")
    words = ("data=folder", f"data.root={image_folder}", "data.size=8", "trainer.batch_size=16", "trainer.epochs=1")
    said = call("train", *words, "model.width=4")
    assert said.code == 0
    assert sum(line.startswith("[red]x ") for line in said.out.splitlines()) == 1
    run = next(tmp_path.glob("outputs/run/*"))
    assert call("predict", run, image_folder / "dog" / "00.png").out.startswith("path,label,score,[red]x,dog,owl\n")
