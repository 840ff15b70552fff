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


def test_what_is_seen_lies_in_the_range_of_values():
    random = np.random.default_rng(0)
    values = random.integers(0, 3000, (64, 64)).astype(np.uint16)
    broken = values.copy()
    broken[8:16, 24:32] = 65535
    clipped = np.where(broken > 3000, 3000, broken).astype(np.uint16)
    note, same = (noted(saved(Image.fromarray(pixels)), 1, (0.0, 3000.0)) for pixels in (broken, clipped))
    assert note["pixels"] == same["pixels"] and (note["grey"] == same["grey"]).all()
    assert note["high"] == 65535
    by_hand = np.rint(np.minimum(broken / 3000, 1) * 255).astype(np.uint8)
    assert (note["grey"] == noted(saved(Image.fromarray(by_hand)), 1)["grey"]).all()


def test_a_few_broken_pixels_do_not_decide_what_is_seen_without_a_range():
    values = np.random.default_rng(0).integers(0, 3000, (64, 64)).astype(np.uint16)
    broken = values.copy()
    broken[8:16, 24:32] = 65535
    sound, note = (noted(saved(Image.fromarray(pixels)), 1)["grey"].astype(float) for pixels in (values, broken))
    assert np.corrcoef(sound[5:].ravel(), note[5:].ravel())[0, 1] > 0.99 and note[5:].std() > 0.9 * sound[5:].std()


@pytest.mark.parametrize("value", [1, 40000])
def test_a_mask_of_16_bits_is_seen_however_little_it_covers(value):
    mask = np.zeros((64, 64), np.uint16)
    mask[32:36, 32:36] = value
    note, plain = (noted(saved(Image.fromarray(pixels)), 1) for pixels in (mask, (mask > 0).astype(np.uint8) * 255))
    assert (note["grey"] == plain["grey"]).all() and note["grey"].any() and not note["empty"]
    assert noted(saved(Image.fromarray(np.full((9, 9), value, np.uint16))), 1)["empty"]


def test_infinite_values_are_the_ends_of_the_range():
    pixels = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    ends = pixels.copy()
    ends[0, 0], ends[-1, -1] = -np.inf, np.inf
    note, same = (noted(npy(found), 1, (0.0, 1.0)) for found in (ends, pixels))
    assert note["pixels"] == same["pixels"] and (note["grey"] == same["grey"]).all() and note["high"] == np.inf


def npy(values) -> bytes:
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()


def test_colours_that_no_model_sees_are_not_seen():
    grey = noted(saved(picture(0).convert("L")), 1)
    note = noted(saved(picture(0)), 1)
    assert note["pixels"] == grey["pixels"] and (note["colour"] == grey["colour"]).all() and note["mode"] == b"RGB"
    assert noted(saved(picture(0)))["pixels"] != noted(saved(picture(0).convert("L")))["pixels"]
