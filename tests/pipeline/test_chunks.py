"""Decoding in chunks: every row once, in order, whatever the number of workers and the size of a chunk."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from cvrun.data import ImageForm, Manifest
from cvrun.pipeline import chunks
from cvrun.pipeline.chunks import Decoding, decode_into, decoded
from cvrun.pipeline.kept import Bounded, Whole

NUM = 50


@pytest.fixture
def manifest():
    """Embedded images of 4x6 pixels that hold their number."""
    images = np.arange(NUM, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(6, 2)
    names = tuple(f"{i}" for i in range(NUM))
    return Manifest(names, np.arange(NUM) % 2, ("a", "b"), ImageForm(4, 1, "stretch"), images=images)


@pytest.fixture
def decoding(manifest):
    return Decoding("train", manifest, np.arange(NUM)[::-1].copy(), Bounded(1, 0), 0, 60.0)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("size", [1, 7, 64])
def test_every_row_once_and_in_order(decoding, workers, size, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", size)
    monkeypatch.setattr(chunks, "SMALL", 0)
    found = list(decoded(dataclasses.replace(decoding, workers=workers)))
    assert [chunk.num for chunk in found] == [size] * (NUM // size) + [NUM % size] * (NUM % size > 0)
    pixels = np.concatenate([chunk.pixels for chunk in found])
    assert pixels.reshape(NUM, 24)[:, 0].tolist() == list(range(NUM))[::-1]
    assert {shape for chunk in found for shape in chunk.sizes} == {(4, 6)}


def test_large_images_come_in_smaller_chunks(decoding, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 24 * 5)
    assert {chunk.num for chunk in decoded(decoding)} == {5}
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1)
    assert {chunk.num for chunk in decoded(decoding)} == {1}


def test_what_is_bad_is_told_by_position_in_the_order_of_the_rows(manifest, tmp_path):
    paths = tuple(tmp_path / f"{i}.png" for i in range(NUM))
    in_files = dataclasses.replace(manifest, images=None, paths=paths)
    decoding = Decoding("train", in_files, np.array([9, 3, 5]), Whole(manifest.form), 0, 60.0)
    told, put = [], []
    outcome = decode_into(lambda pixels, sizes: put.append((len(pixels), sizes)), decoding, told.append)
    assert list(outcome.bad) == [9, 3, 5] and told == [3] and put == [(0, [])]
    assert str(tmp_path / "3.png") in str(outcome.bad[3])
    targets, index = decoding.without([3])
    assert index.tolist() == [9, 5] and targets.tolist() == [1, 1]
    assert (decoding.source(), decoding.where(1)) == (str(tmp_path), str(paths[3]))


def test_embedded_images_have_a_name_and_no_folder(decoding):
    assert (decoding.source(), decoding.where(0)) == ("", "image 49")
    assert decoding.num_bytes() == NUM * 24


class Members:
    """PNG files in memory, as they would lie inside a shard."""

    def __init__(self, size):
        self.length = size

    def read(self, position):
        file = io.BytesIO()
        Image.new("L", (6, 4), position).save(file, "PNG")
        return file.getvalue()

    def size(self, position):
        return self.length

    def origin(self, position):
        return ""


@pytest.mark.parametrize("workers", [0, 3])
def test_images_inside_other_files_are_decoded_in_order(decoding, workers):
    manifest = dataclasses.replace(decoding.manifest, images=None, encoded=Members(100_000))
    found = list(decoded(dataclasses.replace(decoding, manifest=manifest, workers=workers)))
    pixels = np.concatenate([chunk.pixels for chunk in found])
    assert pixels.reshape(NUM, 24)[:, 0].tolist() == list(range(NUM))[::-1]
    assert (decoding.source(), decoding.where(0)) == ("", "image 49")


def test_small_images_inside_other_files_have_one_worker(decoding):
    for size, small in ((chunks.SMALL - 1, True), (chunks.SMALL, False)):
        manifest = dataclasses.replace(decoding.manifest, images=None, encoded=Members(size))
        assert chunks.are_small(dataclasses.replace(decoding, manifest=manifest)) is small


def test_a_folder_whose_name_may_not_be_shown_is_not(manifest, tmp_path):
    paths = tuple(tmp_path / f"{i}.png" for i in range(NUM))
    hidden = dataclasses.replace(manifest, images=None, paths=paths, named=False)
    decoding = Decoding("train", hidden, np.arange(3), Bounded(1, 0), 0, 60.0)
    assert decoding.source() == ""
    said = str(chunks.not_read(decoding, 1, "not done"))
    assert said.startswith("image 1: not done, tried 3 times; does the disk of the data answer?")
