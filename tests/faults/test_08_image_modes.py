"""Row 8: every colour mode has one defined meaning; of several frames the first counts, which is said; EXIF turns."""

import shutil

import kit
import numpy as np
import pytest
from PIL import Image

from cvrun.data import ImageForm
from cvrun.errors import DataError
from cvrun.pipeline.decode import decode

FORM = ImageForm(8, 3, "stretch")
GREY = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
ALPHA = np.random.default_rng(2).integers(0, 256, (8, 8), np.uint8)
WIDE = np.random.default_rng(3).integers(0, 65536, (8, 8), np.uint16)
INK = np.random.default_rng(4).integers(0, 256, (8, 8, 4), np.uint8)
PALETTE = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 99, 199]], np.uint8)


def same(grey):
    return np.repeat(grey[..., None], 3, axis=2)


def palette() -> Image.Image:
    image = Image.fromarray(GREY % 4, "L")
    image = Image.frombytes("P", (8, 8), image.tobytes())
    image.putpalette(PALETTE.tobytes())
    return image


def with_alpha(mode: str, pixels) -> Image.Image:
    return Image.fromarray(np.concatenate([pixels, ALPHA[..., None]], axis=2), mode)


# Name of the file -> image, the mode in which it comes back, the pixels, and how far they may be off.
MODES = {
    "1.png": (Image.fromarray(GREY > 127), "1", same(np.where(GREY > 127, 255, 0)), 0),
    "L.png": (Image.fromarray(GREY), "L", same(GREY), 0),
    "LA.png": (with_alpha("LA", GREY[..., None]), "LA", same(GREY), 0),
    "P.png": (palette(), "P", PALETTE[GREY % 4], 0),
    "P.gif": (palette(), "P", PALETTE[GREY % 4], 0),
    "RGB.png": (Image.fromarray(COLOUR), "RGB", COLOUR, 0),
    "RGBA.png": (with_alpha("RGBA", COLOUR), "RGBA", COLOUR, 0),
    "I;16.png": (Image.fromarray(WIDE), "I;16", same(np.rint(WIDE / 257.0)), 0),
    "I;16.tif": (Image.fromarray(WIDE), "I;16", same(np.rint(WIDE / 257.0)), 0),
    "I;16B.tif": (
        Image.frombytes("I;16B", (8, 8), WIDE.astype(">u2").tobytes()),
        "I;16B",
        same(np.rint(WIDE / 257.0)),
        0,
    ),
    "CMYK.tif": (
        Image.frombytes("CMYK", (8, 8), INK.tobytes()),
        "CMYK",
        (255 - INK[..., :3].astype(float)) * (255 - INK[..., 3:].astype(float)) / 255,
        1,
    ),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_has_its_pixels(name, tmp_path):
    image, mode, expected, off = MODES[name]
    image.save(tmp_path / name)
    with Image.open(tmp_path / name) as again:
        assert again.mode == mode
    found = decode(tmp_path / name, FORM)
    np.testing.assert_allclose(found.pixels.astype(float), expected, rtol=0, atol=off)
    assert not found.animated and not found.turned


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_values_without_a_range_are_refused(kind, tmp_path):
    Image.fromarray(GREY.astype(kind)).save(tmp_path / "x.tif")
    with pytest.raises(DataError) as caught:
        decode(tmp_path / "x.tif", FORM)
    assert str(caught.value) == (
        f"{tmp_path}/x.tif: its {kind.__name__} values (from {GREY.min():g} to {GREY.max():g}) have no defined range,"
        " expected 8 or 16 bits a channel, or data.value_range; set data.value_range=[LOW,HIGH]"
    )


FRAMES = [Image.fromarray(same(np.full((8, 8), value, np.uint8))) for value in (10, 200, 90)]


@pytest.mark.parametrize("name", ["x.gif", "x.webp", "x.png", "x.tif"])
def test_of_several_frames_the_first_counts(name, tmp_path):
    more = {"lossless": True} if name == "x.webp" else {}
    FRAMES[0].save(tmp_path / name, save_all=True, append_images=FRAMES[1:], **more)
    found = decode(tmp_path / name, FORM)
    assert found.animated
    np.testing.assert_array_equal(found.pixels, np.full((8, 8, 3), 10))


# EXIF 3.0, tag 274: where the first row and the first column of the file lie, as a change of the array.
TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


def turned(path, orientation: int):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(COLOUR).save(path, exif=exif)


@pytest.mark.parametrize("orientation", TURNS)
def test_exif_turns_and_is_counted(orientation, tmp_path):
    turned(tmp_path / "x.png", orientation)
    found = decode(tmp_path / "x.png", FORM)
    np.testing.assert_array_equal(found.pixels, TURNS[orientation](COLOUR))
    assert found.turned == (orientation != 1)


def test_both_are_said_once_a_split(call, images, tmp_path):
    root = tmp_path / "data"
    for part in ("train", "val"):
        shutil.copytree(images, root / part)
    for name in ("ant/00", "bee/05", "dog/09"):
        FRAMES[0].save(root / f"train/{name}.png", save_all=True, append_images=FRAMES[1:])
    turned(root / "train/cat/01.png", 6)
    turned(root / "val/cat/01.png", 3)
    turned(root / "val/cat/02.png", 1)
    # Both parts have the same images.
    words = [*(word for word in kit.QUICK if not word.startswith("split.")), "audit=false"]
    said = call("train", *words, "split=official", f"data.root={root}", "trainer.epochs=1")
    assert said.code == 0, said.err
    frames = "warning: 3 train images hold several frames, of which the first is used"
    turns = ["1 train images were turned as their EXIF orientation says", "1 val images were turned as"]
    assert said.err.count(frames) == said.err.count("several frames") == 1
    assert [said.err.count(turn) for turn in turns] == [1, 1] and said.err.count("were turned") == 2
    log = (kit.run_folder(tmp_path) / "log.txt").read_text()
    assert log.count(f"{frames}; {turns[0]}") == 1
