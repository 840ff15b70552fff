"""What a test set is known by, and the line that comes before a model sees it."""

import argparse
import dataclasses
import hashlib
import os

import numpy as np
import pytest

from cvrun import fault, ledger
from cvrun.command import _unseal
from cvrun.command._measured import Images, add_arguments, ready
from cvrun.command._unseal import unseal
from cvrun.errors import ConfigError, DataError


def every(manifest):
    return np.arange(len(manifest))


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
    opened = unseal(loaded, own(loaded), None, None, False)
    assert "fsync" in order and "model" not in order
    assert ledger.read(opened.path) == ledger.copies(finished / "test.jsonl") == [opened.opening]


def test_the_hashes_are_those_of_what_the_run_was_told_and_of_the_weights(loaded, finished):
    first = unseal(loaded, own(loaded), None, None, False).opening
    spec = (finished / "spec.yaml").read_bytes()
    assert first.config == hashlib.sha256(spec).hexdigest()
    (finished / "changes.jsonl").write_bytes(b"{}\n")
    next(loaded.trained.model.parameters()).data.add_(1)
    second = unseal(loaded, own(loaded), None, "why", False).opening
    assert second.config == hashlib.sha256(spec + b"{}\n").hexdigest()
    assert second.weights != first.weights
    assert (second.test, second.sketch, second.names) == (first.test, first.sketch, first.names)
    assert second.names == loaded.prepared.plan.data.test_names


def test_a5_a_file_of_training_in_the_test_set_is_refused_and_nothing_is_opened(loaded, four):
    data = four("a")
    prepared = dataclasses.replace(
        loaded.prepared,
        manifest=data,
        split=dataclasses.replace(loaded.prepared.split, train=np.array([0, 1]), val=np.array([2]), test=np.array([3])),
    )
    run = dataclasses.replace(loaded, prepared=prepared)
    os.remove(data.paths[3])
    os.link(data.paths[1], data.paths[3])
    with pytest.raises(DataError, match=r"'1.png' in train and '3.png' in test are one file"):
        unseal(run, own(run), None, None, False)
    elsewhere = four("b", prefix="e")
    os.remove(elsewhere.paths[0])
    os.symlink(data.paths[2], elsewhere.paths[0])
    with pytest.raises(DataError, match=r"'2.png' in val and 'e0.png' in test are one file"):
        unseal(run, Images("test", "test-b", elsewhere, every(elsewhere)), "b", None, False)
    assert ledger.read(ledger.place(run.folder.path)) == []


def test_a_copy_that_was_lost_comes_back_with_the_next_line(loaded, finished):
    fault.arm("test.opened=raise")
    with pytest.raises(RuntimeError):
        unseal(loaded, own(loaded), None, None, False)
    fault.arm("")
    assert not (finished / "test.jsonl").exists()
    opened = unseal(loaded, own(loaded), None, None, False)
    assert len(ledger.copies(finished / "test.jsonl")) == 2
    assert (opened.count.openings, opened.count.models) == (2, 1)


def test_what_was_opened_before_is_said(loaded, monkeypatch):
    said = []
    monkeypatch.setattr(_unseal, "say", said.append)
    unseal(loaded, own(loaded), None, None, False)
    assert said == []
    unseal(loaded, own(loaded), None, None, False)
    (line,) = said
    assert line.startswith("this test set was opened before for the same model: line 1 of test-ledger.jsonl, 20")


def other_model(run):
    next(run.trained.model.parameters()).data.add_(1)
    return run


def part_of(run, rows):
    return dataclasses.replace(own(run), rows=run.prepared.split.test[rows])


def test_a_set_that_differs_in_one_image_needs_a_reason_as_well(loaded):
    """The 180 images without the last one: all but one of both are in both."""
    unseal(loaded, own(loaded), None, None, False)
    smaller = part_of(loaded, slice(0, 179))
    unseal(loaded, smaller, None, None, False)
    other_model(loaded)
    rule = "another model on it needs a reason; give --reason"
    for images in (part_of(loaded, slice(1, 180)), part_of(loaded, slice(0, 170))):
        with pytest.raises(ConfigError, match=rule) as caught:
            unseal(loaded, images, None, None, False)
        assert "a test set that shares images with this one (about 9" in str(caught.value)
    manifest = loaded.prepared.manifest
    renamed = dataclasses.replace(manifest, classes=("zero", *manifest.classes[1:]))
    with pytest.raises(ConfigError, match=r"\(about 99% of all images of both\) was opened for another model, of run/"):
        unseal(loaded, dataclasses.replace(own(loaded), manifest=renamed), "b", None, False)
    assert len(ledger.read(ledger.place(loaded.folder.path))) == 2
    opened = unseal(loaded, part_of(loaded, slice(0, 170)), None, "one is mislabelled", False)
    assert (opened.count.openings, opened.count.sharing) == (1, 2)
    # It has seen this set by now.
    assert unseal(loaded, part_of(loaded, slice(0, 170)), None, None, False).count.openings == 2


def test_half_of_a_set_is_about_half_and_sets_that_share_nothing_need_no_reason(loaded):
    unseal(loaded, part_of(loaded, slice(0, 40)), None, None, False)
    other_model(loaded)
    opened = unseal(loaded, part_of(loaded, slice(40, 180)), None, None, False)
    assert (opened.count.openings, opened.count.sharing) == (1, 0)
    other_model(loaded)
    with pytest.raises(ConfigError, match=r"\(about 50% of all images of both\)"):
        unseal(loaded, part_of(loaded, slice(0, 20)), None, None, False)


def test_what_was_opened_of_a_set_that_shares_images_is_said(loaded, monkeypatch):
    said = []
    unseal(loaded, part_of(loaded, slice(0, 40)), None, None, False)
    monkeypatch.setattr(_unseal, "say", said.append)
    unseal(loaded, part_of(loaded, slice(0, 30)), None, None, False)
    (line,) = said
    assert line.startswith(
        "a test set that shares images with this one (about 75% of all images of both) was opened before for the same"
        " model: line 1 of test-ledger.jsonl, 20"
    )


def test_the_permission_is_asked_for_again_under_the_lock(loaded, monkeypatch):
    """Another model opens the set while this one decodes it."""

    def late(run, images):
        monkeypatch.setattr(_unseal, "decoded", lambda run, images: None)
        unseal(other_model(run), images, None, None, False)

    monkeypatch.setattr(_unseal, "decoded", late)
    with pytest.raises(ConfigError, match="another model on it needs a reason"):
        unseal(loaded, own(loaded), None, None, False)
    assert len(ledger.read(ledger.place(loaded.folder.path))) == 1
