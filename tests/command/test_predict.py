"""cvrun predict: a CSV that says exactly what the model says."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvrun.command._trained import load_trained
from cvrun.command.predict import image_files
from cvrun.config import load
from cvrun.errors import DataError
from cvrun.trainer.digest import digest


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
    from cvrun.command import _predicted

    call("predict", trained, image_folder, "--output", "one.csv")
    monkeypatch.setattr(_predicted, "CHUNK", 7)
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
def test_a_file_that_cannot_be_decoded_is_listed_and_the_others_are_written(
    call, trained, image_folder, tmp_path, content
):
    (image_folder / "cat" / "07.png").write_bytes(content)
    said = call("predict", trained, image_folder, "--output", "p.csv")
    assert said.code == 3
    assert "cat/07.png" in said.err
    assert "1 of 60 images cannot be used, the others are written; p.csv.errors.csv lists them" in said.err
    found = [row["path"] for row in rows(tmp_path / "p.csv")]
    assert found == sorted(str(p) for p in image_folder.rglob("*.png") if p.name != "07.png" or p.parent.name != "cat")
    (listed,) = rows(tmp_path / "p.csv.errors.csv")
    assert listed["path"] == str(image_folder / "cat" / "07.png") and listed["reason"]


def test_json_lines_name_a_file_that_cannot_be_decoded_in_its_turn(call, trained, image_folder):
    (image_folder / "cat" / "01.png").write_bytes(b"")
    said = call("predict", trained, image_folder / "cat", "--format", "jsonl")
    assert said.code == 3
    found = [json.loads(line) for line in said.out.splitlines()]
    assert len(found) == 20
    assert set(found[1]) == {"path", "error"} and found[1]["error"]
    assert set(found[2]) == {"path", "label", "score", "probabilities"}


def test_a_list_of_errors_is_kept_unless_forced_and_goes_with_its_output(call, trained, image_folder, tmp_path):
    (tmp_path / "p.csv.errors.csv").write_text("precious")
    said = call("predict", trained, image_folder, "--output", "p.csv")
    assert (said.code, (tmp_path / "p.csv.errors.csv").read_text()) == (2, "precious")
    assert "p.csv.errors.csv exists" in said.err and not (tmp_path / "p.csv").exists()
    assert call("predict", trained, image_folder, "--output", "p.csv", "--force").code == 0
    assert not (tmp_path / "p.csv.errors.csv").exists()


def test_no_part_of_a_file_stays_where_predicting_fails(call, trained, image_folder, tmp_path, monkeypatch):
    from cvrun.command import _predicted
    from cvrun.errors import OutOfMemoryError

    real, calls = _predicted._rows, []

    def fails(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise OutOfMemoryError("memory: used up")
        return real(*arguments)

    monkeypatch.setattr(_predicted, "_rows", fails)
    monkeypatch.setattr(_predicted, "CHUNK", 7)
    before = set(tmp_path.iterdir())
    assert call("predict", trained, image_folder, "--output", "p.csv").code == 6
    assert set(tmp_path.iterdir()) == before


def test_every_format_says_the_same(call, trained, image_folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    for suffix in ("csv", "jsonl", "json", "parquet"):
        assert call("predict", trained, image_folder, "--top", "2", "--output", f"p.{suffix}").code == 0
    table = parquet.read_table(tmp_path / "p.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert json.loads((tmp_path / "p.json").read_text()) == lines
    texts = rows(tmp_path / "p.csv")
    assert len(table) == len(lines) == len(texts) == 60
    for cells, line, row in zip(table, lines, texts, strict=True):
        assert list(cells) == list(row)
        assert cells["path"] == line["path"] == row["path"]
        assert cells["label"] == line["label"] == row["label"]
        for name, value in line["probabilities"].items():
            assert np.float32(cells[name]) == np.float32(value) == np.float32(row[name])
        ranked = sorted(line["probabilities"].items(), key=lambda pair: -pair[1])[:2]
        assert [(best["label"], best["probability"]) for best in line["top"]] == ranked
        assert [row["top_1"], row["top_2"]] == [cells["top_1"], cells["top_2"]] == [name for name, _ in ranked]
        assert np.float32(row["top_2_probability"]) == np.float32(ranked[1][1])


def test_probabilities_can_be_left_out(call, trained, image_folder):
    said = call("predict", trained, image_folder / "cat", "--no-probabilities", "--top", "1")
    assert said.out.splitlines()[0] == "path,label,score,top_1,top_1_probability"
    (line, *_) = call("predict", trained, image_folder / "cat", "--no-probabilities", "--format", "jsonl").out.split(
        "\n"
    )
    assert set(json.loads(line)) == {"path", "label", "score"}


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("--top", "4"), "--top 4: expected 0 to 3"),
        (("--top", "-1"), "--top -1: expected 0 to 3"),
        (("--format", "parquet"), "expected --output FILE"),
        (("--output", "p.cvs"), "did you mean '.csv'"),
        (("--json", "--format", "csv"), "--format csv says otherwise"),
    ],
)
def test_what_cannot_be_written_is_refused(call, trained, image_folder, words, rule):
    said = call("predict", trained, image_folder, *words)
    assert (said.code, said.out) == (2, "")
    assert rule in said.err and said.err.count("\n") == 1


def test_labels_are_those_of_the_frozen_decision(call, trained, image_folder):
    assert call("predict", trained, image_folder, "--json").code == 0
    plain = json.loads(call("predict", trained, image_folder, "--json").out)
    content = {
        "format": 1,
        "classes": ["cat", "dog", "owl"],
        "weights": digest(load_trained(load(trained / "spec.yaml", []), trained / "checkpoints", "best", None, print)
                          .model.state_dict()),
        "temperature": 2.0,
        "operating_point": None,
        "thresholds": None,
        "reject": {"threshold": 0.5},
    }  # fmt: skip
    (trained / "decision.json").write_text(json.dumps(content))
    said = call("predict", trained, image_folder, "--json")
    decided = json.loads(said.out)
    for before, after in zip(plain, decided, strict=True):
        # Softmax of logits halved is in proportion to the square roots of the probabilities.
        roots = {name: value**0.5 for name, value in before["probabilities"].items()}
        want = {name: root / sum(roots.values()) for name, root in roots.items()}
        assert after["probabilities"] == pytest.approx(want, abs=1e-5)
        best = max(want, key=want.get)
        assert after["label"] == (best if want[best] >= 0.5 else None)
        assert after["score"] == after["probabilities"][best]
    table = list(csv.DictReader(call("predict", trained, image_folder).out.splitlines()))
    assert [row["label"] for row in table] == [row["label"] or "" for row in decided]
    assert json.loads(call("predict", trained, image_folder, "--json", "--no-decision").out) == plain
    assert call("predict", trained, image_folder, "--tta", "hflip").code == 2
    (trained / "decision.json").write_text(json.dumps({**content, "weights": "0" * 64}))
    assert call("predict", trained, image_folder).code == 4


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


def test_a_link_to_a_folder_and_capital_suffixes_are_found(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "a" / "X.PNG")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert image_files([tmp_path / "b"]) == [tmp_path / "b" / "X.PNG"]


def test_a_broken_link_is_missing(tmp_path):
    (tmp_path / "x.png").symlink_to(tmp_path / "nothing")
    with pytest.raises(DataError, match="no such file"):
        image_files([tmp_path / "x.png"])


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


def test_one_file_by_several_paths_comes_once_and_links_beside_it_are_images(tmp_path, monkeypatch):
    (tmp_path / "ph" / "sub").mkdir(parents=True)
    for name in ("im1.png", "sub/im2.png"):
        (tmp_path / "ph" / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    ph = Path("ph")
    found = [ph / "im1.png", ph / "sub" / "im2.png"]
    assert image_files([ph, Path("ph/sub/../im1.png"), Path("ph/sub/../sub/im2.png"), tmp_path / "ph"]) == found
    (ph / "other.png").symlink_to("im1.png")
    assert image_files([ph]) == [found[0], ph / "other.png", found[1]]
