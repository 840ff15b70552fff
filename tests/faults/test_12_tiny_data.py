"""Row 12: too little data is an error with the arithmetic; an incomplete last batch is left out, as the plan says."""

import shutil

import kit
import pytest
import yaml
from torch import nn

from cvrun.model import convnet

WORDS = [word for word in kit.QUICK if not word.startswith(("split.", "trainer.batch_size"))]
BATCH = 8


@pytest.fixture
def tree(images, tmp_path):
    """Makes n training images in up to two classes, and two for validation; gives the words that choose them."""

    def make(n, val=1):
        for part, number in (("train", n), ("val", 2 * val)):
            for i in range(number):
                name = kit.CLASSES[i % 2]
                (tmp_path / "data" / part / name).mkdir(parents=True, exist_ok=True)
                # A class has its images with even numbers or those with odd ones in train, the others in val.
                shutil.copy(
                    images / name / f"{(i + (part == 'val')) % 10:02d}.png",
                    tmp_path / "data" / part / name / f"{i}.png",
                )
            (tmp_path / "data" / part / "ant").mkdir(parents=True, exist_ok=True)
        own = [f"data.root={tmp_path}/data", "split=official", f"trainer.batch_size={BATCH}", "trainer.epochs=2"]
        return (*WORDS, *own)

    return make


@pytest.mark.parametrize(
    ("n", "code", "said"),
    [
        (0, 3, "class folder 'ant' holds no image"),
        (1, 3, "split: no training image of class 'bee' (1 of 2 classes), expected at least one a class"),
        (BATCH - 1, 2, "trainer.batch_size=8: expected at most the 7 training images; an epoch would have no whole"),
    ],
)
def test_too_little_is_refused_and_nothing_is_written(n, code, said, call, tree, tmp_path):
    words = tree(n, val=1 if n else 0)
    for command in ("check", "train"):
        found = call(command, *words)
        assert found.code == code
        assert said in found.err and len(found.err.splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("n", "steps", "left"),
    [(BATCH, 1, ""), (BATCH + 1, 1, "; each leaves out 1 image"), (2 * BATCH - 1, 1, "; each leaves out 7 images")],
)
def test_whole_batches_are_trained_on(n, steps, left, call, tree, tmp_path):
    words = tree(n)
    assert f"{2 * steps:,}: 2 epochs of {steps}{left}\n" in call("check", *words).out
    assert call("train", *words).code == 0
    folder = kit.run_folder(tmp_path)
    training = yaml.safe_load((folder / "plan.yaml").read_text())["training"]
    assert (training["steps_per_epoch"], training["total_steps"]) == (steps, 2 * steps)
    assert kit.status(folder)["step"] == 2 * steps


def test_a_part_of_one_image_is_refused_where_batchnorm_cannot_learn(call, tree, tmp_path, monkeypatch):
    words = (*tree(BATCH), f"trainer.accumulate={BATCH}")
    # Our own network never has a map of one pixel; that of others often has.
    assert call("train", *words).code == 0
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(3), nn.Linear(3, 2))
    monkeypatch.setattr(convnet, "build", lambda config, shape, pretrained: pooled)
    said = call("train", *words, "seed=1")
    assert said.code == 2
    assert "BatchNorm cannot train on 1 image of 3x20x20 at a time; raise trainer.batch_size or lower" in said.err
    assert len(list((tmp_path / "outputs/f").iterdir())) == 1


def test_validation_is_never_empty(call, tree, images, tmp_path):
    said = call("train", *tree(BATCH, val=0), "split.val=0")
    assert said.code == 2
    assert "split.val=0: the source has no val part, expected val > 0; set split.val=0.1" in said.err
    holdout = (*WORDS, f"data.root={images}", "trainer.batch_size=8")
    said = call("train", *holdout, "split.val=0")
    assert said.code == 2 and "split.val=0" in said.err and "0 < val < 1" in said.err
    said = call("train", *holdout, "split.val=0.001")
    assert said.code == 2 and "split.val=0.001: gives none of 40 images, expected at least one image" in said.err
    assert not (tmp_path / "outputs").exists()
