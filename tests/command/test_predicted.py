"""Predicting chunk by chunk."""

import csv
import json

import pytest


@pytest.fixture
def trained(call, image_folder, tmp_path):
    """A run on the image folder."""
    words = ("data=folder", f"data.root={image_folder}", "data.size=8", "trainer.batch_size=16", "trainer.epochs=2")
    assert call("train", *words, "model.width=4").code == 0
    return next(tmp_path.glob("outputs/run/*"))


def test_a_whole_chunk_that_cannot_be_decoded_is_no_end(call, trained, image_folder, tmp_path, monkeypatch):
    from cvrun.command import _predicted

    def count(name):
        with (tmp_path / name).open(newline="") as file:
            return len(list(csv.DictReader(file)))

    for i in range(4):
        (image_folder / "cat" / f"{i:02d}.png").write_bytes(b"")
    monkeypatch.setattr(_predicted, "CHUNK", 4)
    said = call("predict", trained, image_folder, "--output", "p.csv")
    assert (said.code, count("p.csv"), count("p.csv.errors.csv")) == (3, 56, 4)
    assert "4 of 60 images" in said.err


def test_no_chunk_holds_more_images_than_its_bytes_allow(call, trained, image_folder, monkeypatch):
    from cvrun.command import _predicted

    sizes = []
    real = _predicted._rows
    monkeypatch.setattr(_predicted, "_rows", lambda paths, *rest: sizes.append(len(paths)) or real(paths, *rest))
    monkeypatch.setattr(_predicted, "CHUNK_BYTES", 25 * 8 * 8 * 3)
    assert call("predict", trained, image_folder).code == 0
    assert sizes == [25, 25, 10]


def test_a_file_that_one_of_several_models_cannot_use_is_a_row_with_its_error(
    call, image_folder, tmp_path, monkeypatch
):
    from cvrun.command import _predicted

    words = ("data=folder", f"data.root={image_folder}", "trainer.batch_size=16", "trainer.epochs=1", "model.width=4")
    for size in (8, 12):
        assert call("train", *words, f"data.size={size}").code == 0
    assert call("ensemble", *tmp_path.glob("outputs/run/*"), "--output", "e").code == 0
    whole = json.loads(call("predict", "e", image_folder / "cat", "--json").out)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    real = _predicted._decoded

    def decoded(paths, model):
        swapped = {8: 1, 12: 3}[model.trained.form.size]
        return real(tuple(broken if at == swapped else path for at, path in enumerate(paths)), model)

    monkeypatch.setattr(_predicted, "_decoded", decoded)
    said = call("predict", "e", image_folder / "cat", "--json")
    assert said.code == 3 and "2 of 20 images" in said.err
    rows = json.loads(said.out)
    assert [at for at, row in enumerate(rows) if "error" in row] == [1, 3]
    assert [row["path"] for row in rows] == [row["path"] for row in whole]
    for before, after in zip(whole, rows, strict=True):
        if "error" not in after:
            assert after["label"] == before["label"]
            assert after["probabilities"] == pytest.approx(before["probabilities"], abs=1e-6)


def test_models_that_want_one_form_share_the_decoded_images(call, image_folder, tmp_path, monkeypatch):
    from cvrun.command import _predicted

    words = ("data=folder", f"data.root={image_folder}", "trainer.batch_size=16", "trainer.epochs=1", "model.width=4")
    for form in ("data.size=8", "seed=1", "data.size=12"):
        assert call("train", *words, *(("data.size=8",) if "seed" in form else ()), form).code == 0
    assert call("ensemble", *tmp_path.glob("outputs/run/*"), "--output", "e").code == 0
    sizes, real = [], _predicted._decoded
    monkeypatch.setattr(_predicted, "_decoded", lambda *given: sizes.append(given[1].trained.form.size) or real(*given))
    assert call("predict", "e", image_folder).code == 0
    assert sorted(sizes) == [8, 12]
