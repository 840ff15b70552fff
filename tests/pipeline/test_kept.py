"""The two shapes in which images are kept, and how large they become."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from cvrun.data import ImageForm, Manifest
from cvrun.pipeline.decode import ImageError
from cvrun.pipeline.kept import SAMPLED, Bounded, Whole


def manifest_of(paths, **fields):
    count = len(paths)
    return Manifest(
        tuple(path.name for path in paths),
        np.zeros(count, np.int64),
        ("a",),
        ImageForm(8, 3, "crop"),
        paths=tuple(paths),
        **fields,
    )


@pytest.fixture
def manifest(tmp_path):
    """200 files, half of 40x20 pixels, half of 10x10."""
    paths = [tmp_path / f"{i:03d}.png" for i in range(200)]
    for i, path in enumerate(paths):
        Image.new("RGB", (40, 20) if i % 2 else (10, 10), (i, 0, 0)).save(path)
    return manifest_of(paths)


def test_images_of_one_shape_take_what_their_form_says(manifest):
    assert Whole(ImageForm(8, 3, "crop")).num_bytes(manifest, np.arange(50)) == 50 * 8 * 8 * 3
    assert Whole(ImageForm(8, 3, "crop")).shape == (8, 8, 3)


def test_images_of_their_own_shape_are_estimated_from_a_sample(manifest):
    rows = np.arange(200)
    small, wide = rows[::2], rows[1::2]
    assert Bounded(3, 0).num_bytes(manifest, wide) == 100 * 40 * 20 * 3
    # The shorter side of 20 becomes 10, the other one 20; 10x10 stays as it is.
    assert Bounded(1, 10).num_bytes(manifest, wide) == 100 * 20 * 10
    assert Bounded(1, 10).num_bytes(manifest, small) == 100 * 100
    assert Bounded(3, 10).num_bytes(manifest, rows[:0]) == 0


def test_only_some_headers_are_read_and_bad_files_do_not_count(manifest, monkeypatch):
    opened = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda path, **options: opened.append(path) or real(path, **options))
    manifest.paths[1].write_bytes(b"garbage")
    assert Bounded(3, 0).num_bytes(manifest, np.arange(200)[1::2]) == 100 * 40 * 20 * 3
    assert SAMPLED <= len(opened) <= 2 * SAMPLED
    manifest.paths[1].unlink()
    assert Bounded(3, 0).num_bytes(manifest, np.array([1])) == 0


def test_embedded_images():
    images = np.arange(2 * 4 * 6 * 1, dtype=np.uint8).reshape(2, 4, 6, 1)
    manifest = Manifest(("a", "b"), np.zeros(2, np.int64), ("x",), ImageForm(4, 1, "stretch"), images=images)
    assert np.array_equal(Bounded(1, 0).decode(manifest, 1).pixels, images[1])
    assert Bounded(1, 2).decode(manifest, 1).pixels.shape == (2, 3, 1)
    assert Whole(manifest.form).decode(manifest, 1).pixels.shape == (4, 4, 1)
    assert Bounded(3, 2).num_bytes(manifest, np.arange(2)) == 2 * 2 * 3 * 3


@pytest.mark.parametrize("kept", [Whole(ImageForm(8, 3, "crop")), Bounded(3, 8)])
def test_a_hash_that_is_declared_is_checked(manifest, kept):
    right = [hashlib.sha256(path.read_bytes()).hexdigest() for path in manifest.paths]
    declared = manifest_of(manifest.paths, hashes=(right[1], *right[1:]))
    assert kept.decode(declared, 1).pixels.shape[2] == 3
    with pytest.raises(ImageError, match="its content has the sha256"):
        kept.decode(declared, 0)


def test_they_are_told_in_a_few_words():
    assert Whole(ImageForm(8, 3, "crop")).about() == "8x8x3 crop"
    assert Bounded(3, 256).about() == "own shape x3, shorter side up to 256"
    assert Bounded(1, 0).about() == "own shape x1"
