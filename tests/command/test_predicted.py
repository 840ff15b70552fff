"""Predicting chunk by chunk."""

import csv

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
