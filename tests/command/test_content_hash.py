"""What images are known by."""

import dataclasses
import hashlib
import json
import os

import numpy as np
import pytest

from cvrun.command._content_hash import content_hashes, fingerprint
from cvrun.config import compose
from cvrun.data import ImageForm, Manifest
from cvrun.errors import DataError, StorageError

SETTINGS = compose(["workers=2"]).settings


def known(manifest, rows):
    return fingerprint(manifest, rows, content_hashes(manifest, rows, SETTINGS))


def every(manifest):
    return np.arange(len(manifest))


def test_a5_a_test_set_is_known_by_its_content_and_classes(four):
    data = four("a")
    pairs = sorted(
        (hashlib.sha256(path.read_bytes()).hexdigest(), ("cat", "dog")[i % 2]) for i, path in enumerate(data.paths)
    )
    expected = hashlib.sha256(json.dumps([list(pair) for pair in pairs]).encode()).hexdigest()
    assert known(data, every(data)) == expected


def test_a5_names_root_order_size_and_the_order_of_classes_make_no_difference(four):
    data = four("a")
    same = known(data, every(data))
    other = four("b", size=9, order=(2, 0, 3, 1), classes=("dog", "owl", "cat"), prefix="x")
    assert known(other, every(other)) == same
    assert known(data, np.array([0, 1, 2])) != same
    assert known(data, np.array([0, 1, 2, 3, 3])) != same
    relabelled = dataclasses.replace(data, labels=np.array([1, 1, 0, 1]))
    assert known(relabelled, every(data)) != same
    with data.paths[0].open("ab") as file:
        file.write(b"\0")
    assert known(data, every(data)) != same


def test_pixels_that_are_embedded_and_files_inside_others_are_their_content(four):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 6, 1)
    data = Manifest(("a", "b"), np.array([0, 1]), ("x", "y"), ImageForm(2, 1, "stretch"), images=pixels)
    found = known(data, every(data))
    turned = dataclasses.replace(data, ids=("c", "d"), images=pixels[::-1], labels=np.array([1, 0]))
    assert known(turned, every(data)) == found
    shaped = dataclasses.replace(data, images=pixels.reshape(2, 3, 4, 1))
    assert known(shaped, every(data)) != found

    class Inside:
        def __init__(self, paths):
            self.paths = paths

        def __len__(self):
            return len(self.paths)

        def read(self, position):
            return self.paths[position].read_bytes()

        def where(self, position):
            return f"member {position}"

    data = four("a")
    inside = dataclasses.replace(data, paths=None, encoded=Inside(data.paths))
    assert known(inside, every(data)) == known(data, every(data))


def test_an_image_that_cannot_be_read_is_named(four):
    data = four("a")
    data.paths[2].unlink()
    with pytest.raises(DataError, match=r"2.png: cannot be read \(No such file or directory\), expected an image file"):
        known(data, every(data))


def test_a_file_that_never_ends_is_given_up(four):
    data = four("a")
    data.paths[1].unlink()
    os.mkfifo(data.paths[1])
    with pytest.raises(StorageError, match=r"1.png: .*; worker_timeout=SECONDS"):
        content_hashes(data, every(data), dataclasses.replace(SETTINGS, worker_timeout=0.05))
