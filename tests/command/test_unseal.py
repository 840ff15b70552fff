"""What a test set is known by, and the line that comes before a model sees it."""

import argparse
import dataclasses
import hashlib
import json
import os

import numpy as np
import pytest
from PIL import Image

from cvrun import fault, ledger
from cvrun.command import _unseal
from cvrun.command._measured import Images, add_arguments, ready
from cvrun.command._unseal import fingerprint, unseal
from cvrun.config import compose
from cvrun.data import ImageForm, Manifest
from cvrun.errors import DataError, StorageError

SETTINGS = compose(["workers=2"]).settings


@pytest.fixture
def files(tmp_path):
    """Makes a manifest of four images of two classes below a folder; order and names may be others."""

    def files(folder, size=4, order=(0, 1, 2, 3), classes=("cat", "dog"), prefix=""):
        (tmp_path / folder).mkdir(exist_ok=True)
        names = [f"{prefix}{i}.png" for i in range(4)]
        for i, name in enumerate(names):
            Image.fromarray(np.full((3, 3), 10 * i, np.uint8)).save(tmp_path / folder / name)
        labels = np.array([classes.index(("cat", "dog")[i % 2]) for i in order])
        paths = tuple(tmp_path / folder / names[i] for i in order)
        return Manifest(tuple(p.name for p in paths), labels, classes, ImageForm(size, 1, "stretch"), paths=paths)

    return files


def every(manifest):
    return np.arange(len(manifest))


def test_a5_a_test_set_is_known_by_its_content_and_classes(files):
    data = files("a")
    pairs = sorted(
        (hashlib.sha256(path.read_bytes()).hexdigest(), ("cat", "dog")[i % 2]) for i, path in enumerate(data.paths)
    )
    expected = hashlib.sha256(json.dumps([list(pair) for pair in pairs]).encode()).hexdigest()
    assert fingerprint(data, every(data), SETTINGS) == expected


def test_a5_names_root_order_size_and_the_order_of_classes_make_no_difference(files):
    data = files("a")
    same = fingerprint(data, every(data), SETTINGS)
    other = files("b", size=9, order=(2, 0, 3, 1), classes=("dog", "owl", "cat"), prefix="x")
    assert fingerprint(other, every(other), SETTINGS) == same
    assert fingerprint(data, np.array([0, 1, 2]), SETTINGS) != same
    assert fingerprint(data, np.array([0, 1, 2, 3, 3]), SETTINGS) != same
    relabelled = dataclasses.replace(data, labels=np.array([1, 1, 0, 1]))
    assert fingerprint(relabelled, every(data), SETTINGS) != same
    with data.paths[0].open("ab") as file:
        file.write(b"\0")
    assert fingerprint(data, every(data), SETTINGS) != same


def test_pixels_that_are_embedded_and_files_inside_others_are_their_content(files):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 6, 1)
    data = Manifest(("a", "b"), np.array([0, 1]), ("x", "y"), ImageForm(2, 1, "stretch"), images=pixels)
    found = fingerprint(data, every(data), SETTINGS)
    turned = dataclasses.replace(data, ids=("c", "d"), images=pixels[::-1], labels=np.array([1, 0]))
    assert fingerprint(turned, every(data), SETTINGS) == found
    shaped = dataclasses.replace(data, images=pixels.reshape(2, 3, 4, 1))
    assert fingerprint(shaped, every(data), SETTINGS) != found

    class Inside:
        def __init__(self, paths):
            self.paths = paths

        def __len__(self):
            return len(self.paths)

        def read(self, position):
            return self.paths[position].read_bytes()

        def where(self, position):
            return f"member {position}"

    data = files("a")
    inside = dataclasses.replace(data, paths=None, encoded=Inside(data.paths))
    assert fingerprint(inside, every(data), SETTINGS) == fingerprint(data, every(data), SETTINGS)


def test_an_image_that_cannot_be_read_is_named(files):
    data = files("a")
    data.paths[2].unlink()
    with pytest.raises(DataError, match=r"2.png: cannot be read \(No such file or directory\), expected an image file"):
        fingerprint(data, every(data), SETTINGS)


def test_a_file_that_never_ends_is_given_up(files):
    data = files("a")
    data.paths[1].unlink()
    os.mkfifo(data.paths[1])
    with pytest.raises(StorageError, match=r"1.png: .*; worker_timeout=SECONDS"):
        fingerprint(data, every(data), dataclasses.replace(SETTINGS, worker_timeout=0.05))


@pytest.fixture
def loaded(finished):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return ready(parser.parse_args([str(finished)]))


def own(run) -> Images:
    return Images("test", "test", run.prepared.manifest, run.prepared.split.test)


def test_a5_the_line_is_on_the_disk_before_the_model_sees_an_image(loaded, finished, monkeypatch):
    order = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), real(handle))[1])
    monkeypatch.setattr(loaded.trained.model, "forward", lambda *given: order.append("model"))
    opened = unseal(loaded, own(loaded), None, None)
    assert "fsync" in order and "model" not in order
    assert ledger.read(opened.path) == ledger.copies(finished / "test.jsonl") == [opened.opening]


def test_the_hashes_are_those_of_what_the_run_was_told_and_of_the_weights(loaded, finished):
    first = unseal(loaded, own(loaded), None, None).opening
    spec = (finished / "spec.yaml").read_bytes()
    assert first.config == hashlib.sha256(spec).hexdigest()
    (finished / "changes.jsonl").write_bytes(b"{}\n")
    next(loaded.trained.model.parameters()).data.add_(1)
    second = unseal(loaded, own(loaded), None, "why").opening
    assert second.config == hashlib.sha256(spec + b"{}\n").hexdigest()
    assert second.weights != first.weights
    assert (second.test, second.split) == (first.test, first.split)
    assert second.split == loaded.prepared.plan.data.split_fingerprint


def test_a5_a_file_of_training_in_the_test_set_is_refused_and_nothing_is_opened(loaded, files, monkeypatch):
    data = files("a")
    prepared = dataclasses.replace(
        loaded.prepared,
        manifest=data,
        split=dataclasses.replace(loaded.prepared.split, train=np.array([0, 1]), val=np.array([2]), test=np.array([3])),
    )
    run = dataclasses.replace(loaded, prepared=prepared)
    os.remove(data.paths[3])
    os.link(data.paths[1], data.paths[3])
    with pytest.raises(DataError, match=r"'1.png' in train and '3.png' in test are one file"):
        unseal(run, own(run), None, None)
    elsewhere = files("b", prefix="e")
    os.remove(elsewhere.paths[0])
    os.symlink(data.paths[2], elsewhere.paths[0])
    with pytest.raises(DataError, match=r"'2.png' in val and 'e0.png' in test are one file"):
        unseal(run, Images("test", "test-b", elsewhere, every(elsewhere)), "b", None)
    assert ledger.read(ledger.place(run.folder.path)) == []


def test_a_copy_that_was_lost_comes_back_with_the_next_line(loaded, finished):
    fault.arm("test.opened=raise")
    with pytest.raises(RuntimeError):
        unseal(loaded, own(loaded), None, None)
    fault.arm("")
    assert not (finished / "test.jsonl").exists()
    opened = unseal(loaded, own(loaded), None, None)
    assert len(ledger.copies(finished / "test.jsonl")) == 2
    assert (opened.count.openings, opened.count.models) == (2, 1)


def test_what_was_opened_before_is_said(loaded, monkeypatch):
    said = []
    monkeypatch.setattr(_unseal, "say", said.append)
    unseal(loaded, own(loaded), None, None)
    assert said == []
    unseal(loaded, own(loaded), None, None)
    (line,) = said
    assert line.startswith("this test set was opened before for the same model: line 1 of test-ledger.jsonl, 20")
