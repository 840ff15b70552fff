"""Real runs on images that are not 8-bit grey or RGB."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SMALL = [
    *("data=folder", "data.size=8", "model=convnet", "model.width=8", "split.val=0.25", "trainer.epochs=8"),
    *("trainer.batch_size=10", "trainer.precision=fp32", "device=cpu", "workers=0", "threads=1", "logger=[]"),
]
EACH = 40
DRAW = np.random.default_rng(0)


def trained(call, name, *words):
    """Train; give the run's folder and its best validation accuracy."""
    said = call("train", *SMALL, f"name={name}", *words)
    assert said.code == 0, said.err
    (folder,) = Path("outputs", name).iterdir()
    evaluated = call("eval", folder, "--json")
    assert evaluated.code == 0, evaluated.err
    return folder, json.loads(evaluated.out)["metrics"]["accuracy"]


def predicted(call, folder, images):
    said = call("predict", folder, images, "--output", "p.csv")
    assert said.code == 0, said.err
    return [row["label"] for row in csv.DictReader(Path("p.csv").read_text().splitlines())]


@pytest.fixture
def five(tmp_path):
    """Five channels, of which the last alone tells the classes apart."""
    for name, level in (("dark", 60), ("light", 190)):
        (tmp_path / "five" / name).mkdir(parents=True)
        for i in range(EACH):
            image = DRAW.integers(0, 256, (8, 8, 5)).astype(np.uint8)
            image[..., 4] = DRAW.integers(level - 40, level + 40, (8, 8))
            np.save(tmp_path / "five" / name / f"{i:02d}.npy", image)
    return tmp_path / "five"


def test_five_channels_are_trained_evaluated_and_predicted(five, call):
    folder, accuracy = trained(
        call, "five", f"data.root={five}", "data.channels=5", "augment=basic", "augment.crop_padding=1"
    )
    assert accuracy == 1.0
    assert predicted(call, folder, five / "dark") == ["dark"] * EACH


def test_regions_of_images_with_five_channels(five, call):
    regions = ["augment=standard", "augment.region=resized_crop", "augment.area_min=0.5"]
    _, accuracy = trained(call, "five", f"data.root={five}", "data.channels=5", "data.size=6", *regions)
    assert accuracy == 1.0


def test_other_channels_than_the_images_have_are_refused(five, call):
    said = call("train", *SMALL, f"data.root={five}", "data.channels=4")
    assert said.code == 3
    assert "00.npy: it has 5 channels, expected the 4 of data.channels; set data.channels=5" in said.err
    # 80 images less a quarter and a tenth.
    assert "52 of 52 train images cannot be used" in said.err


def test_statistics_of_imagenet_for_five_channels(five, call):
    _, accuracy = trained(call, "five", f"data.root={five}", "data.channels=5", "normalize=imagenet")
    assert accuracy == 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["augment=basic", "augment.hue=0.1"], "augment.hue=0.1: for grey and RGB images alone, expected 0 with 5"),
        (["augment=standard", "augment.lighting=0.1"], "augment.lighting=0.1: for grey and RGB"),
        (["augment=randaugment"], "augment.policy=randaugment: for grey and RGB images alone, expected none with 5"),
    ],
)
def test_augmentations_of_colour_are_refused_before_training(five, call, words, said):
    for command in ("check", "train"):
        found = call(command, *SMALL, f"data.root={five}", "data.channels=5", *words)
        assert found.code == 2 and said in found.err
    assert not Path("outputs").exists()


@pytest.mark.parametrize("suffix", ["png", "tif", "npy"])
def test_classes_that_differ_in_the_lower_byte_alone_need_the_range(tmp_path, call, suffix):
    """4000 to 4220 are one of the 256 levels of 16 bits, 16 = round(v / 257), and all of [4000, 4220]."""
    for name, low in (("below", 4000), ("above", 4120)):
        (tmp_path / "deep" / name).mkdir(parents=True)
        for i in range(EACH):
            pixels, path = (
                DRAW.integers(low, low + 100, (8, 8)).astype(np.uint16),
                tmp_path / "deep" / name / f"{i:02d}",
            )
            if suffix == "npy":
                np.save(path.with_suffix(".npy"), pixels)
            else:
                Image.fromarray(pixels).save(path.with_suffix(f".{suffix}"))
    words = [f"data.root={tmp_path / 'deep'}", "data.channels=1", "audit=false"]
    _, blind = trained(call, "blind", *words)
    assert blind == 0.5
    folder, seen = trained(call, "seen", *words, "data.value_range=[4000,4220]")
    assert seen == 1.0
    # The range lies in the checkpoint: predict knows it.
    assert predicted(call, folder, tmp_path / "deep" / "above") == ["above"] * EACH
