"""A saved model measured on a set of images."""

import argparse
import dataclasses

import numpy as np
import pytest

from cvrun.command import _measured
from cvrun.command._closer import Asked
from cvrun.command._measured import Images, add_arguments, content, decoded, measure, ready, text
from cvrun.errors import DataError


@pytest.fixture
def loaded(finished):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return ready(parser.parse_args([str(finished), "--checkpoint", "last", "--tta", "hflip"]))


def test_the_images_that_are_given_are_measured_and_saved(loaded, finished):
    rows = np.array([3, 5, 8])
    images = Images("val", "three", loaded.prepared.manifest, rows)
    measured = measure(loaded, images, Asked())
    assert np.load(finished / "predictions/three-last.npz")["ids"].tolist() == [
        loaded.prepared.manifest.ids[i] for i in rows
    ]
    assert np.load(finished / "predictions/three-last-hflip.npz")["probabilities"].shape == (3, 10)
    targets = loaded.prepared.manifest.labels[rows]
    assert measured.plain.prediction.targets.tolist() == targets.tolist()
    hits = (measured.plain.prediction.probabilities.argmax(1) == targets).mean()
    found = content(loaded, images, measured)
    assert found["images"] == 3 and found["metrics"]["accuracy"] == pytest.approx(hits)
    assert found["tta"].keys() == found["metrics"].keys()
    assert "last weights (step 12) on 3 val images" in text(loaded, images, measured)


def test_no_image_is_an_error(loaded):
    with pytest.raises(DataError, match="the test part is empty, expected at least one image"):
        measure(loaded, Images("test", "none", loaded.prepared.manifest, np.array([], dtype=np.int64)), Asked())


def test_what_has_been_decoded_is_not_decoded_again(loaded, monkeypatch):
    images = Images("test", "test", loaded.prepared.manifest, loaded.prepared.split.test)
    found = decoded(loaded, images)
    first = measure(loaded, images, Asked()).plain.metrics
    monkeypatch.setattr(_measured, "images_of", lambda *given: pytest.fail("it is"))
    assert measure(loaded, dataclasses.replace(images, decoded=found), Asked()).plain.metrics == first
