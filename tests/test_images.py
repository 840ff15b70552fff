"""Wherever images are kept, a run sees the same pixels and ends with the same bits."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvrun import config, fault, images
from cvrun.augment import Augment
from cvrun.data import ImageForm
from cvrun.errors import DataError
from cvrun.pipeline import place
from cvrun.pipeline.kept import Bounded, Whole
from cvrun.pipeline.region import Regions
from cvrun.pipeline.store import Ragged, Store
from cvrun.pipeline.stream import Stream
from cvrun.prepare import prepare

MODES = ("ram", "disk", "off")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """48 images of different sizes in two classes, JPEG and PNG, grey ones among them."""
    root, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(48):
        folder = root / ("bright" if number % 2 else "dark")
        folder.mkdir(exist_ok=True)
        shape = (int(draw.integers(12, 40)), int(draw.integers(12, 40)), 3)
        pixels = draw.integers(0, 128, shape) + 100 * (number % 2)
        image = Image.fromarray(pixels.astype(np.uint8)).convert("L" if number % 5 == 0 else "RGB")
        image.save(folder / f"{number:02}.{'png' if number % 3 else 'jpg'}")
    return root


def words(photos: Path, *more: str) -> list[str]:
    return [
        *("data=folder", f"data.root={photos}", "data.size=12", "data.channels=3", "data.fit=crop", "split.val=0.25"),
        *("model.width=4", "model.blocks=[1]", "trainer.batch_size=8", "trainer.epochs=2", "logger=jsonl", "name=i"),
        *("split.test=0", "device=cpu", "threads=1", *more),
    ]


def ended(call, photos: Path, folder: Path, *more: str) -> tuple[str, list[dict]]:
    said = call("train", *words(photos, f"output_root={folder}", *more))
    assert said.code == 0, said.err
    (run,) = (folder / "i").iterdir()
    records = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    return json.loads((run / "status.json").read_text())["digest"], [
        {name: value for name, value in record.items() if name != "time"} for record in records
    ]


@pytest.mark.parametrize("augment", ["basic", "imagenet"])
def test_a_run_ends_with_the_same_bits_wherever_its_images_are(call, photos, tmp_path, augment, monkeypatch):
    more = [f"augment={augment}", *(["augment.side=16"] if augment == "imagenet" else ["augment.crop_padding=2"])]
    whole = ended(call, photos, tmp_path / "whole", "cache=ram", "workers=0", *more)
    assert whole[1]
    for mode in MODES:
        for workers in (0, 1, 3):
            found = ended(call, photos, tmp_path / f"{mode}{workers}", f"cache={mode}", f"workers={workers}", *more)
            assert found == whole, (mode, workers)


def test_a_run_goes_on_with_its_images_elsewhere(call, photos, tmp_path):
    """Stopped in the middle with its images streamed, gone on with them on disk, and the other way round."""
    more = ("augment=imagenet", "augment.side=16")
    whole = ended(call, photos, tmp_path / "whole", "cache=ram", *more)
    for number, (first, then) in enumerate((("off", "disk"), ("ram", "off"))):
        folder = tmp_path / f"{number}"
        fault.arm("step.begin@6=SIGTERM")
        try:
            said = call("train", *words(photos, f"output_root={folder}", f"cache={first}", *more))
        finally:
            fault.arm("")
        assert said.code == 128 + signal.SIGTERM, said.err
        assert ended(call, photos, folder, f"cache={then}", *more) == whole


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kept", [Whole(ImageForm(12, 3, "crop")), Bounded(3, 16)])
def test_every_place_gives_the_same_pixels(photos, mode, kept):
    spec = config.compose(words(photos, f"cache={mode}"))
    prepared = prepare(spec)
    split, manifest = prepared.split, prepared.manifest
    found = images.images_of("train", manifest, split, spec.settings, lambda line: None, kept)
    kinds = {"off": Stream} if mode == "off" else {mode: Store if isinstance(kept, Whole) else Ragged}
    assert isinstance(found, kinds[mode])
    assert found.index.tolist() == split.train.tolist()
    assert found.targets.tolist() == manifest.labels[split.train].tolist()
    expected = [kept.decode(manifest, position).pixels for position in split.train.tolist()]
    pixels = list(images.all_pixels(found, spec.settings))
    together = list(pixels[0]) if isinstance(found, Store) else pixels
    assert all(np.array_equal(one, two) for one, two in zip(together, expected, strict=True))
    # Statistics are found again wherever the images are, but not those of other images.
    assert images.identity(found) == images.identity(found)
    other = images.images_of("val", manifest, split, spec.settings, lambda line: None, kept)
    assert images.identity(other) != images.identity(found)


def test_what_an_augmentation_wants():
    form, device = ImageForm(12, 3, "crop"), torch.device("cpu")
    plain = Augment(lambda batch, keys: batch)
    cut = Augment(lambda batch, keys: batch, lambda sizes, keys: torch.cat([sizes * 0, sizes], dim=1), 20)
    assert images.kept_for(plain, form) == Whole(form)
    assert images.kept_for(cut, form) == Bounded(3, 20)
    store = Store(torch.zeros(4, 12, 12, 3, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64), torch.arange(4))
    assert images.augmented(store, plain, 12, device) is store
    ragged = Ragged(torch.zeros(0, dtype=torch.uint8), torch.zeros(0, 2), torch.zeros(1), 3, store.targets, store.index)
    found = images.augmented(ragged, cut, 12, device)
    assert isinstance(found, Regions) and found.images is ragged and found.size == 12


def test_over_the_budget_images_are_decoded_as_they_are_needed(call, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(place, "TINY", 0)
    said = call("train", *words(photos, f"output_root={tmp_path / 'a'}", "cache_budget=1e-6"))
    assert said.code == 0 and "do not fit into cache_budget=1e-06 GiB" in said.err
    assert ended(call, photos, tmp_path / "b") == ended(call, photos, tmp_path / "a")


@pytest.mark.parametrize("share", ["0", "0.1"])
def test_a_streamed_image_that_cannot_be_used_ends_the_run_or_is_left_out(call, photos, tmp_path, share):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    (root / "dark" / "00.jpg").write_bytes(b"\xff\xd8 no image")
    spec = config.compose(words(root, "cache=ram"))
    prepared = prepare(spec)
    with pytest.raises(DataError, match=r"dark/00\.jpg: cannot be decoded"):
        images.images_of("train", prepared.manifest, prepared.split, spec.settings, lambda line: None)
    said = call("train", *words(root, f"output_root={tmp_path / 'a'}", "cache=off", f"skip_unreadable={share}"))
    if share == "0":
        assert said.code == 3 and "dark/00.jpg: cannot be decoded" in said.err
    else:
        assert said.code == 0 and "1 of 36 training images cannot be used and are left out" in said.err


def blackened(root):
    """Every dark image black, in a file as long as it was."""
    for path in (root / "dark").glob("*.png"):
        with Image.open(path) as image:
            size, mode = image.size, image.mode
        length = path.stat().st_size
        Image.new(mode, size).save(path)
        # A chunk that nobody reads makes up for the length.
        path.write_bytes(path.read_bytes().ljust(length, b"\0"))
        assert path.stat().st_size == length


def test_pixels_that_changed_are_found_however_the_run_went_on_meanwhile(call, photos, tmp_path):
    """Streamed, they cannot be compared, which is said; what the start knew of them is not lost by that."""
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    # Nothing is fitted that could tell.
    start = words(root, f"output_root={tmp_path / 'a'}", "cache=ram", "normalize=unit")
    assert call("train", *start).code == 0
    (run,) = (tmp_path / "a" / "i").iterdir()
    blackened(root)
    said = call("resume", run, "trainer.epochs=3", "cache=ram")
    assert said.code == 4 and "its pixels is" in said.err
    said = call("resume", run, "trainer.epochs=3", "cache=off")
    assert said.code == 0
    assert "warning: train and val images are decoded as they are needed: their pixels are not compared" in said.err
    said = call("resume", run, "trainer.epochs=4", "cache=ram")
    assert said.code == 4 and "its pixels is" in said.err


def test_statistics_tell_streamed_pixels_that_changed(call, photos, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    start = words(root, f"output_root={tmp_path / 'a'}", "cache=off", "normalize=zscore")
    assert call("train", *start).code == 0
    (run,) = (tmp_path / "a" / "i").iterdir()
    blackened(root)
    said = call("resume", run, "trainer.epochs=3", "cache=off")
    assert said.code == 4 and "its normalization is" in said.err
