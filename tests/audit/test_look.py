import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from planted import picture

from cvrun.audit.look import look, look_at_pixels
from cvrun.pipeline.decode import Source


def saved(image, kind="PNG", **more) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **more)
    return content.getvalue()


def noted(content, channels=3, limits=None, sha256=None):
    return look(Source(lambda: content, "file", sha256), channels, limits)[()]


def test_hashes_are_those_of_the_bytes_and_the_pixels():
    content = saved(picture(0))
    note = noted(content)
    assert note["content"] == hashlib.sha256(content).digest().rstrip(b"\0")
    pixels = np.asarray(picture(0))
    assert note["pixels"] == hashlib.sha256(b"uint8 (48, 48, 3)" + pixels.tobytes()).digest().rstrip(b"\0")


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM"])
def test_the_same_pixels_in_another_format_have_the_same_hash(kind):
    png, other = noted(saved(picture(0))), noted(saved(picture(0), kind))
    assert png["pixels"] == other["pixels"] and png["content"] != other["content"]


def test_grey_in_three_channels_is_the_same_image_as_grey():
    grey = picture(0).convert("L")
    assert noted(saved(grey))["pixels"] == noted(saved(grey.convert("RGB")))["pixels"]


def test_size_mode_depth_and_values():
    deep = np.linspace(312, 4095, 60).reshape(6, 10).astype(np.uint16)
    note = noted(saved(Image.fromarray(deep)), channels=1)
    assert (note["height"], note["width"], note["channels"], note["bits"]) == (6, 10, 1, 16)
    assert (note["low"], note["high"]) == (312, 4095) and note["mode"].startswith(b"I;16")
    assert note["grey"].min() < 30 and note["grey"].max() > 225


def test_an_image_of_one_colour_is_empty():
    assert noted(saved(Image.new("RGB", (9, 9), (10, 20, 30))))["empty"]
    spot = Image.new("RGB", (200, 200), (10, 20, 30))
    spot.putpixel((5, 5), (11, 20, 30))
    assert not noted(saved(spot))["empty"]


def test_turned_and_animated_are_noted():
    exif = Image.Exif()
    exif[0x0112] = 6
    note = noted(saved(picture(0).resize((20, 10)), "JPEG", exif=exif))
    assert note["turned"] and (note["height"], note["width"]) == (20, 10)
    frames = [picture(seed).convert("P") for seed in (0, 1)]
    assert noted(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))["animated"]
    assert not noted(saved(picture(0)))["animated"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"nothing", b"cannot be decoded (its content is none of these formats)"),
        (saved(picture(0))[:200], b"cannot be decoded"),
        (saved(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), b"no defined range"),
    ],
)
def test_what_cannot_be_used_has_a_reason(content, reason):
    note = noted(content)
    assert reason in note["reason"] and note["height"] == 0
    assert note["content"] == hashlib.sha256(content).digest().rstrip(b"\0")


def test_other_channels_than_wanted_cannot_be_used():
    assert b"3 channels" in noted(saved(picture(0)), channels=4)["reason"]


def test_a_file_that_is_not_there_has_a_reason(tmp_path):
    assert b"No such file" in look(Source((tmp_path / "none").read_bytes, "none"), 3, None)["reason"].item()


def test_declared_hash_is_checked():
    content = saved(picture(0))
    assert noted(content, sha256=hashlib.sha256(content).hexdigest())["reason"] == b""
    assert b"as the table says" in noted(content, sha256="0" * 64)["reason"]


def test_embedded_pixels_are_looked_at_as_files_are():
    pixels = np.asarray(picture(0))
    embedded, file = look_at_pixels(pixels, 3, None), noted(saved(picture(0)))
    for name in ("pixels", "height", "width", "mode", "low", "high", "empty"):
        assert embedded[name] == file[name]
    assert (embedded["grey"] == file["grey"]).all()
