"""--tta and tta= with every kind of views, in the commands that predict."""

import csv
import json

import numpy as np
import pytest

from cvrun.options import choices


@pytest.fixture
def trained(call, image_folder, tmp_path):
    """A run on the image folder, at 16 pixels, with ten crops at its end; its validation part has six images."""
    words = ("data=folder", f"data.root={image_folder}", "data.size=16", "trainer.batch_size=16", "trainer.epochs=2")
    assert call("train", *words, "model.width=4", "tta=ten_crop", "trainer.eval_batch_size=4").code == 0
    return next(tmp_path.glob("outputs/run/*"))


def test_a_run_ends_with_its_own_views_beside_the_plain_score(call, trained):
    metrics = json.loads((trained / "status.json").read_text())["metrics"]
    assert metrics["val/loss"] != metrics["val/tta/loss"]
    saved, plain = (np.load(trained / "predictions" / f"{name}.npz") for name in ("val-tta", "val"))
    assert saved["ids"].tolist() == plain["ids"].tolist()
    assert np.abs(saved["probabilities"] - plain["probabilities"]).max() > 1e-4
    np.testing.assert_allclose(saved["probabilities"].sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("choice", [choice for choice in choices("tta") if choice != "none"])
def test_eval_and_predict_agree_and_no_image_depends_on_another(call, trained, image_folder, choice):
    assert call("eval", trained, "--tta", choice).code == 0
    saved = np.load(trained / f"predictions/val-{choice}.npz")
    paths = [image_folder / name for name in saved["ids"].tolist()]

    def predicted(*given):
        said = call("predict", trained, *given, "--tta", choice)
        assert said.code == 0
        found = csv.DictReader(said.out.splitlines())
        return np.array([[float(row[name]) for name in ("cat", "dog", "owl")] for row in found])

    np.testing.assert_allclose(predicted(*paths), saved["probabilities"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(predicted(*paths[::-1])[::-1], saved["probabilities"], rtol=0, atol=1e-5)
    alone = np.concatenate([predicted(path) for path in paths[:2]])
    np.testing.assert_allclose(alone, saved["probabilities"][:2], rtol=0, atol=1e-5)


def test_a_run_goes_on_with_other_views(call, trained):
    said = call("resume", trained, "tta=views", "tta.scales=[1,0.5]", "tta.rotations=[0,20]")
    assert said.code == 0
    log = (trained / "log.txt").read_text()
    assert "changed: tta crops (" in log and "-> views (hflip=true, vflip=false, rotations=(0.0, 20.0)" in log
    found = json.loads(call("eval", trained, "--json").out)
    assert found["tta"]["loss"] != found["metrics"]["loss"]


def test_views_that_the_model_of_a_run_does_not_take_are_one_line(call, image_folder, tmp_path):
    words = ("data=folder", f"data.root={image_folder}", "data.size=32", "trainer.batch_size=16", "trainer.epochs=1")
    vit = ("model=timm", "model.name=test_vit", "trainer.precision=fp32")
    assert call("train", *words, *vit).code == 0
    run = next(tmp_path.glob("outputs/run/*"))
    for command in (["eval", run], ["predict", run, image_folder]):
        said = call(*command, "--tta", "crops")
        assert said.code == 2
        assert "--tta crops: the model cannot take views of 3x28x28" in said.err
        assert len(said.err.splitlines()) == 1
        assert call(*command, "--tta", "rotations").code == 0


def test_views_that_small_images_make_the_same_are_one_line(call, finished):
    said = call("eval", finished, "--tta", "crops")
    assert said.code == 2
    assert "--tta crops: views center and top_left are the same where images have 8 pixels" in said.err
