"""The two shapes in which images are kept, and how large they become."""

import dataclasses
import hashlib

import numpy as np
import pytest
from PIL import Image

from cvrun.data import ImageForm, Manifest
from cvrun.pipeline.decode import ImageError
from cvrun.pipeline.kept import SAMPLED, Bounded, Whole

FORM = ImageForm(8, 3, "crop")


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


class Members:
    """Image files in memory, as they would lie inside a shard."""

    def __init__(self, contents, error=None):
        self.contents, self.error = contents, error

    def read(self, position):
        if self.error is not None:
            raise self.error
        return self.contents[position]

    def size(self, position):
        return len(self.contents[position])

    def origin(self, position):
        return f"/d/shard-000.tar 1 2 3 {position}"


def encoded(contents, form=FORM, error=None, **fields):
    count = len(contents)
    ids = tuple(f"s/{i}" for i in range(count))
    members = Members(contents, error)
    return Manifest(ids, np.zeros(count, np.int64), ("a",), form, encoded=members, **fields)


@pytest.mark.parametrize("kept", [Whole(FORM), Bounded(3, 8)])
def test_images_inside_other_files_have_the_pixels_of_their_own_files(manifest, kept):
    contents = [path.read_bytes() for path in manifest.paths[:4]]
    inside = encoded(contents, hashes=tuple(hashlib.sha256(content).hexdigest() for content in contents))
    for i in range(4):
        np.testing.assert_array_equal(kept.decode(inside, i).pixels, kept.decode(manifest, i).pixels)
    rows = np.arange(4)
    assert kept.num_bytes(inside, rows) == kept.num_bytes(manifest, rows)
    with pytest.raises(ImageError, match=r"^image s/0: its content has the sha256"):
        kept.decode(encoded(contents, hashes=("0" * 64,) * 4), 0)


@pytest.mark.parametrize("kept", [Whole(FORM), Bounded(3, 8)])
def test_what_is_wrong_inside_other_files_names_the_image(kept):
    with pytest.raises(ImageError, match=r"^image s/1: cannot be decoded \(its content is none of these formats\)"):
        kept.decode(encoded([b"a", b"garbage"]), 1)
    with pytest.raises(ImageError, match=r"^image s/0: cannot be decoded \(shard-000.tar: cut short\)"):
        kept.decode(encoded([b"a"], error=OSError("shard-000.tar: cut short")), 0)


def test_where_no_name_may_be_shown_no_error_shows_a_file(manifest):
    hidden = manifest_of([manifest.paths[0].with_name("secret.png")], named=False)
    for kept in (Whole(FORM), Bounded(3, 8)):
        with pytest.raises(ImageError) as caught:
            kept.decode(hidden, 0)
        assert str(caught.value).startswith("image secret.png: cannot be decoded (No such file or directory)")
        assert str(manifest.paths[0].parent) not in str(caught.value)
        inside = encoded([b"a"], error=OSError("/d/shard-000.tar: cut short"), named=False)
        with pytest.raises(ImageError, match=r"^image s/0: cannot be decoded \(Input/output error\)"):
            kept.decode(inside, 0)


def test_sizes_of_arrays_and_of_what_lies_inside_are_estimated(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((40, 20, 5), np.uint16))
    wide = manifest_of([tmp_path / "a.npy"] * 1)
    assert Bounded(5, 0).num_bytes(wide, np.array([0])) == 40 * 20 * 5
    inside = encoded([(tmp_path / "a.npy").read_bytes()])
    assert Bounded(5, 10).num_bytes(inside, np.array([0])) == 20 * 10 * 5


def test_a_range_counts_wherever_the_pixels_lie(tmp_path):
    """Levels 100 to 110 of 8 bits become 0 to 255: v -> (v - 100) * 25.5, halves to even."""
    levels = np.arange(96, 112, dtype=np.uint8).reshape(4, 4)
    expected = [0, 0, 0, 0, 0, 26, 51, 76, 102, 128, 153, 178, 204, 230, 255, 255]
    form = ImageForm(4, 1, "stretch", (100.0, 110.0))
    Image.fromarray(levels).save(tmp_path / "a.png")
    embedded = Manifest(("a",), np.zeros(1, np.int64), ("x",), form, images=levels[None, ..., None])
    files = dataclasses.replace(manifest_of([tmp_path / "a.png"]), form=form)
    inside = encoded([(tmp_path / "a.png").read_bytes()], form)
    for manifest in (embedded, files, inside):
        for kept in (Whole(form), Bounded(1, 0, form.value_range)):
            assert kept.decode(manifest, 0).pixels.ravel().tolist() == expected


def test_embedded_images_of_other_channels():
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 5)).astype(np.uint8)
    manifest = Manifest(("a", "b"), np.zeros(2, np.int64), ("x",), ImageForm(6, 5, "stretch"), images=images)
    np.testing.assert_array_equal(Whole(manifest.form).decode(manifest, 1).pixels, images[1])
    np.testing.assert_array_equal(Bounded(5, 0).decode(manifest, 1).pixels, images[1])
    with pytest.raises(ImageError, match=r"^image a: it has 5 channels, expected the 3 of data.channels; set data.ch"):
        Whole(ImageForm(6, 3, "stretch")).decode(manifest, 0)


def test_what_names_decoded_images_is_as_it_was_without_a_range():
    """The names of stores on disk, and the fingerprints of runs, are made from these texts."""
    assert repr(Whole(FORM)) == "Whole(form=ImageForm(size=8, channels=3, fit='crop'))"
    assert repr(Bounded(3, 256)) == "Bounded(channels=3, side=256)"
    assert repr(Bounded(1, 0, (0.0, 4095.0))) == "Bounded(channels=1, side=0, value_range=(0.0, 4095.0))"
