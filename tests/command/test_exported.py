"""The comparison of an exported model with its run."""

import argparse

import numpy as np
import pytest

from cvrun.command._exported import File, compared, exported
from cvrun.command._measured import ready


@pytest.fixture
def loaded(call, image_folder, tmp_path):
    """A run on the image folder, loaded."""
    words = ("data=folder", f"data.root={image_folder}", "data.size=8", "trainer.batch_size=16", "trainer.epochs=1")
    assert call("train", *words, "model.width=4", "task.prior=[0.5,0.25,0.25]").code == 0
    run = next(tmp_path.glob("outputs/run/*"))
    return ready(
        argparse.Namespace(run=run, overrides=[], checkpoint="best", tta="none", no_decision=True, resamples=0)
    )


def test_the_prior_is_inside(loaded, image_folder):
    assert len(loaded.trained.prior_shift) in (0, 3)
    found = compared(loaded, exported(loaded, "torch"), 256)
    assert found.images == 6
    assert found.network <= 1e-5 and found.network_labels == 0
    assert found.whole <= 5e-3


def test_differences_and_labels_are_counted(loaded):
    first = np.array([[1.0, 0.0, 0.0]], dtype=np.float32)
    saved = np.load(loaded.folder.predictions / "val.npz")["probabilities"]
    found = compared(loaded, File(b"", lambda image: first), 256)
    assert found.network == pytest.approx(np.abs(saved - first).max(), abs=1e-5)
    assert found.network_labels == found.whole_labels == int((saved.argmax(axis=1) != 0).sum())


def test_fewer_images_are_evenly_spaced(loaded):
    calls = []

    def predict(image):
        calls.append(image.shape)
        return np.full((1, 3), 1 / 3, dtype=np.float32)

    assert compared(loaded, File(b"", predict), 2).images == 2
    assert calls == [(1, 3, 8, 8), (1, 3, 10, 12)] * 2
