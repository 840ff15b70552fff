"""cvrun export: a file that gives what the run gives, or none."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from cvrun.command import _exported


@pytest.fixture
def trained(call, image_folder, tmp_path):
    """A run on the image folder, whose images are not in the form of the data."""
    words = ("data=folder", f"data.root={image_folder}", "data.size=8", "data.fit=pad", "trainer.batch_size=16")
    assert call("train", *words, "trainer.epochs=2", "model.width=4").code == 0
    return next(tmp_path.glob("outputs/run/*"))


def test_an_onnx_file_gives_the_saved_predictions_of_the_run(call, trained, image_folder, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    said = call("export", trained, "--output", "m.onnx")
    assert said.code == 0, said.err
    assert "on 6 validation images" in said.out
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == ["cat", "dog", "owl"]
    assert json.loads((tmp_path / "m.onnx.labels.json").read_text()) == ["cat", "dog", "owl"]
    saved = np.load(trained / "predictions/val.npz")
    pixels = np.stack([np.asarray(Image.open(image_folder / name)).transpose(2, 0, 1) for name in saved["ids"]])
    assert pixels.shape == (6, 3, 10, 12)
    # A level more or less in some pixels moves probabilities by less than this.
    assert session.run(None, {"image": pixels})[0] == pytest.approx(saved["probabilities"], abs=5e-3)
    large = np.repeat(np.repeat(pixels, 5, axis=2), 3, axis=3)
    assert session.run(None, {"image": large[:1]})[0].sum() == pytest.approx(1, abs=1e-5)


def test_a_torch_file_is_written_and_nothing_exists_is_replaced(call, trained, tmp_path):
    assert call("export", trained, "--format", "torch", "--output", "m.pt2", "--images", "3").code == 0
    assert {path.name for path in tmp_path.glob("m.*")} == {"m.pt2", "m.pt2.labels.json", "m.pt2.md"}
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.glob("m.*")}
    (tmp_path / "m.pt2").unlink()
    said = call("export", trained, "--format", "torch", "--output", "m.pt2")
    assert said.code == 2
    assert "m.pt2.labels.json exists" in said.err
    assert not (tmp_path / "m.pt2").exists()
    assert call("export", trained, "--format", "torch", "--output", "m.pt2", "--force").code == 0
    assert (tmp_path / "m.pt2").exists() and len(before) == 3


@pytest.mark.parametrize("wrong", ["shifted", "nan"])
def test_a_file_that_gives_something_else_is_not_written(call, trained, tmp_path, monkeypatch, wrong):
    real = _exported._torch

    def broken(program, facts):
        file = real(program, facts)
        change = {"shifted": lambda p: p + np.float32(2e-4), "nan": lambda p: p * np.float32("nan")}[wrong]
        return _exported.File(file.content, lambda image: change(file.predict(image)))

    monkeypatch.setattr(_exported, "_torch", broken)
    said = call("export", trained, "--format", "torch", "--output", "m.pt2")
    assert said.code == 4
    assert "nothing is written" in said.err and said.err.count("\n") == 1
    assert list(tmp_path.glob("*m.pt2*")) == []


def test_missing_packages_and_wrong_numbers_are_one_line(call, trained, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    said = call("export", trained, "--output", "m.onnx")
    assert (said.code, list(tmp_path.glob("m.onnx*"))) == (2, [])
    assert "needs onnxruntime" in said.err and "cvrun[onnx]" in said.err
    assert call("export", trained, "--images", "0").code == 2
    assert call("export", tmp_path / "nowhere").code == 2
