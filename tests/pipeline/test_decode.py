import concurrent.futures
import hashlib
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from cvrun.data import IMAGE_SUFFIXES, ImageForm
from cvrun.errors import DataError
from cvrun.pipeline import decode as decode_module
from cvrun.pipeline.decode import FORMATS, decode_whole, quiet
from cvrun.pipeline.form import bring
from cvrun.warned import hearing

GREY = ImageForm(8, 1, "stretch")
RGB = ImageForm(8, 3, "stretch")


def decode(path: Path, form: ImageForm) -> Any:
    """Give the pixels alone."""
    return decode_module.decode(path, form).pixels


def draw(*shape: int, seed: int = 0, high: int = 256) -> Any:
    return np.random.RandomState(seed).randint(0, high, shape)


COLOUR = draw(8, 8, 3).astype(np.uint8)
LIGHT = draw(8, 8).astype(np.uint8)


def saved(path: Path, pixels: Any, **options: Any) -> Path:
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
    return path


def luma(colour: Any) -> Any:
    """ITU-R BT.601, the weights of Pillow's documented conversion to grey."""
    return colour.astype(float) @ np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "webp"])
def test_colour_in_every_lossless_format(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"x.{suffix}", COLOUR, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(decode(path, RGB), COLOUR)
    assert decode(path, GREY).shape == (8, 8, 1)
    np.testing.assert_allclose(decode(path, GREY)[..., 0], luma(COLOUR), atol=1.0)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "pgm", "gif"])
def test_grey_in_every_lossless_format(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"x.{suffix}", LIGHT)
    np.testing.assert_array_equal(decode(path, GREY)[..., 0], LIGHT)
    np.testing.assert_array_equal(decode(path, RGB), np.repeat(LIGHT[..., None], 3, axis=2))


def test_jpeg_is_near(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(8), np.arange(8))[..., None].repeat(3, 2).astype(np.uint8) * 16
    path = saved(tmp_path / "x.jpg", smooth, quality=95)
    np.testing.assert_allclose(decode(path, RGB).astype(int), smooth, atol=6)


def test_every_suffix_of_a_source_can_be_decoded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", COLOUR)
    np.testing.assert_array_equal(decode(tmp_path / "x.npy", RGB), COLOUR)
    for suffix in IMAGE_SUFFIXES - {".npy"}:
        pixels = LIGHT if suffix == ".pgm" else COLOUR
        assert decode(saved(tmp_path / f"x{suffix}", pixels), RGB).shape == (8, 8, 3)


def test_black_and_white(tmp_path: Path) -> None:
    bits = LIGHT > 127
    path = saved(tmp_path / "x.png", bits)
    with Image.open(path) as image:
        assert image.mode == "1"
    np.testing.assert_array_equal(decode(path, GREY)[..., 0], np.where(bits, 255, 0))
    np.testing.assert_array_equal(decode(path, RGB)[..., 2], np.where(bits, 255, 0))


def test_alpha_is_dropped_and_colours_stay(tmp_path: Path) -> None:
    alpha = draw(8, 8, 1, seed=1).astype(np.uint8)
    path = saved(tmp_path / "x.png", np.concatenate([COLOUR, alpha], axis=2))
    np.testing.assert_array_equal(decode(path, RGB), COLOUR)
    path = saved(tmp_path / "y.png", Image.merge("LA", [Image.fromarray(LIGHT), Image.fromarray(alpha[..., 0])]))
    np.testing.assert_array_equal(decode(path, GREY)[..., 0], LIGHT)
    np.testing.assert_array_equal(decode(path, RGB)[..., 1], LIGHT)


def palette_image() -> tuple[Image.Image, Any]:
    index = draw(8, 8, high=4)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]], dtype=np.uint8)
    image = Image.frombytes("P", (8, 8), index.astype(np.uint8).tobytes())
    image.putpalette(colours.tobytes())
    return image, colours[index]


@pytest.mark.parametrize("options", [{}, {"transparency": 1}, {"transparency": b"\x00\x80\xff\x01"}])
def test_a_palette_gives_its_colours(tmp_path: Path, options: dict[str, Any]) -> None:
    image, colours = palette_image()
    path = saved(tmp_path / "x.png", image, **options)
    with Image.open(path) as again:
        assert again.mode == "P"
    np.testing.assert_array_equal(decode(path, RGB), colours)
    np.testing.assert_allclose(decode(path, GREY)[..., 0], luma(colours), atol=1.0)


def test_a_palette_with_alpha_gives_its_colours() -> None:
    image, colours = palette_image()
    np.testing.assert_array_equal(bring(image.convert("PA"), RGB), colours)


def test_print_colours(tmp_path: Path) -> None:
    ink = draw(8, 8, 4).astype(np.uint8)
    path = saved(tmp_path / "x.tiff", Image.frombytes("CMYK", (8, 8), ink.tobytes()))
    cyan_magenta_yellow, black = ink[..., :3].astype(float), ink[..., 3:].astype(float)
    expected = (255 - cyan_magenta_yellow) * (255 - black) / 255
    np.testing.assert_allclose(decode(path, RGB), expected, atol=1.0)


def test_video_colours() -> None:
    # JFIF 1.02: white, black, and pure red is (76, 85, 255).
    values = np.array([[[255, 128, 128], [0, 128, 128], [76, 85, 255]]], dtype=np.uint8)
    image = Image.frombytes("YCbCr", (3, 1), values.tobytes())
    got = bring(image, ImageForm(3, 3, "stretch"))[0].astype(int)
    np.testing.assert_allclose(got, [[255, 255, 255], [0, 0, 0], [254, 0, 0]], atol=2)


WIDE = np.array([0, 1, 128, 129, 256, 257, 385, 386, 32767, 32768, 65406, 65407, 65535, 1000, 2000, 3000] * 4)
WIDE_AS_8_BITS = np.array([round(Fraction(int(v) * 255, 65535)) for v in WIDE]).reshape(8, 8)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    pixels = WIDE.reshape(8, 8).astype(np.uint16)
    (tmp_path / "x.pgm").write_bytes(b"P5 8 8 65535\n" + pixels.astype(">u2").tobytes())
    big = Image.frombytes("I;16B", (8, 8), pixels.astype(">u2").tobytes())
    paths = [tmp_path / "x.pgm", saved(tmp_path / "x.png", pixels), saved(tmp_path / "x.tif", pixels)]
    paths.append(saved(tmp_path / "big.tif", big))
    for path in paths:
        np.testing.assert_array_equal(decode(path, GREY)[..., 0], WIDE_AS_8_BITS)
        np.testing.assert_array_equal(decode(path, RGB)[..., 1], WIDE_AS_8_BITS)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_values_without_a_range_are_refused(tmp_path: Path, kind: Any) -> None:
    path = saved(tmp_path / "x.tiff", LIGHT.astype(kind))
    with pytest.raises(DataError, match=r"x\.tiff: .* no defined range"):
        decode(path, GREY)


def test_unknown_colour_modes_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.tiff", Image.frombytes("LAB", (8, 8), COLOUR.tobytes()))
    with pytest.raises(DataError, match="colour mode LAB has no defined range"):
        decode(path, RGB)


@pytest.mark.parametrize("suffix", ["gif", "webp", "tiff", "png"])
def test_the_first_frame_counts(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200))]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"x.{suffix}", save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(decode(tmp_path / f"x.{suffix}", RGB), np.array(frames[0]))


# EXIF 2.32, tag 0x0112: where row 0 and column 0 of the stored image belong.
TURNED = {
    1: LIGHT,
    2: LIGHT[:, ::-1],
    3: LIGHT[::-1, ::-1],
    4: LIGHT[::-1],
    5: LIGHT.T,
    6: np.rot90(LIGHT, -1),
    7: LIGHT.T[::-1, ::-1],
    8: np.rot90(LIGHT, 1),
    99: LIGHT,
}


@pytest.mark.parametrize("orientation", TURNED)
def test_orientation(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "x.png", LIGHT, exif=exif)
    np.testing.assert_array_equal(decode(path, GREY)[..., 0], TURNED[orientation])


def test_orientation_comes_before_the_fit(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    tall = draw(8, 16).astype(np.uint8)
    path = saved(tmp_path / "x.png", tall, exif=exif)
    np.testing.assert_array_equal(decode(path, ImageForm(8, 1, "crop"))[..., 0], np.rot90(tall, -1)[4:12])


def test_damaged_exif_is_silent(tmp_path: Path) -> None:
    # A directory of one entry that is not there.
    path = saved(tmp_path / "x.jpg", COLOUR, exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0")
    with pytest.warns(UserWarning, match="Corrupt EXIF data"), Image.open(path) as image:
        dict(image.getexif())
    assert decode(path, RGB).shape == (8, 8, 3)


SUFFIXES = ("jpg", "png", "bmp", "webp", "tiff", "gif", "ppm")


def whole(suffix: str, folder: Path) -> bytes:
    smooth = np.asarray(Image.fromarray(COLOUR).resize((24, 20)))
    return saved(folder / f"whole.{suffix}", smooth).read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_files_are_errors(tmp_path: Path, suffix: str) -> None:
    content = whole(suffix, tmp_path)
    for share in (0.0, 0.02, 0.3, 0.6, 0.9):
        path = tmp_path / f"cut.{suffix}"
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(DataError) as caught:
            decode(path, RGB)
        assert str(caught.value).startswith(f"{path}: cannot be decoded (")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_garbage_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    for content in (b"", b"\0" * 100, b"<html></html>", draw(500).astype(np.uint8).tobytes()):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be decoded"):
            decode(path, RGB)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_flipped_bits_give_an_image_or_an_error(tmp_path: Path, suffix: str) -> None:
    content = whole(suffix, tmp_path)
    path = tmp_path / f"x.{suffix}"
    random = np.random.RandomState(7)
    errors = 0
    for _ in range(150):
        damaged = np.frombuffer(content, np.uint8).copy()
        # Headers are where the decoders differ most.
        reach = len(damaged) if random.rand() < 0.5 else 64
        at = random.randint(0, min(reach, len(damaged)), random.randint(1, 6))
        damaged[at] ^= (1 << random.randint(0, 8, len(at))).astype(np.uint8)
        path.write_bytes(damaged.tobytes())
        try:
            assert decode(path, RGB).shape == (8, 8, 3)
        except DataError:
            errors += 1
    assert errors > 0


def test_missing_files_and_folders_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.png: cannot be decoded \(No such file or directory\)"):
        decode(tmp_path / "x.png", RGB)
    with pytest.raises(DataError, match="Is a directory"):
        decode(tmp_path, RGB)


def test_other_formats_are_not_opened(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.ico", Image.fromarray(COLOUR).resize((16, 16)))
    with pytest.raises(DataError, match=f"none of these formats.*{', '.join(FORMATS)}"):
        decode(path, RGB)


def png_header(side: int) -> bytes:
    """Gives the first bytes of a PNG file, up to where the pixels begin."""
    body = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">II", zlib.crc32(body), 9) + b"IDAT"


def test_a_decompression_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png_header(20_000))
    with pytest.raises(DataError, match="decompression bomb"):
        decode(tmp_path / "x.png", RGB)


def test_a_merely_large_image_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "x.png", COLOUR)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(path).close()
    np.testing.assert_array_equal(decode(path, RGB), COLOUR)


def test_no_memory_is_not_the_files_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    path = saved(tmp_path / "x.png", COLOUR)
    monkeypatch.setattr("cvrun.pipeline.decode.bring", full)
    with pytest.raises(MemoryError):
        decode(path, RGB)


def test_threads_that_overlap_leave_the_filters_as_they_were() -> None:
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with quiet():
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=hold)
    with quiet():
        thread.start()
        inside.wait(5)
    # The first to enter has left; the other is still protected.
    assert list(warnings.filters) != before
    leave.set()
    thread.join()
    assert list(warnings.filters) == before


def test_a13_what_pillow_warns_of_is_kept_once_for_all_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [saved(tmp_path / f"{i}.png", COLOUR) for i in range(20)]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", COLOUR.shape[0] * COLOUR.shape[1] - 1)
    for path in paths:
        decode(path, RGB)
    assert capsys.readouterr().err == ""
    # The tests take every warning for an error; one of Pillow's still costs no image.
    with hearing() as warned, concurrent.futures.ThreadPoolExecutor(4) as pool:
        warned.write_to(tmp_path / "warnings.log")
        list(pool.map(lambda path: decode(path, RGB), paths))
    (line,) = (tmp_path / "warnings.log").read_text().splitlines()
    assert " DecompressionBombWarning: Image size (" in line
    assert capsys.readouterr().err.count("DecompressionBombWarning") == 1


def test_a_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", COLOUR)
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert decode_module.decode(path, RGB, right).pixels.shape == (8, 8, 3)
    # Two images may have the same pixels and other bytes.
    saved(path, COLOUR, compress_level=0)
    with pytest.raises(decode_module.ImageError) as caught:
        decode_module.decode(path, RGB, right)
    found = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert caught.value.reason == f"its content has the sha256 {found}..."
    assert str(caught.value) == (
        f"{path}: its content has the sha256 {found}..., expected {right[:12]}... as the table says;"
        " the file was changed or is damaged"
    )


def test_damage_behind_the_first_frame_does_not_count(tmp_path: Path) -> None:
    frames = [Image.fromarray(LIGHT), Image.fromarray(255 - LIGHT)]
    path = saved(tmp_path / "x.gif", frames[0], save_all=True, append_images=frames[1:])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 20])
    found = decode_module.decode(path, GREY)
    np.testing.assert_array_equal(found.pixels[..., 0], LIGHT)
    assert found.animated


@pytest.mark.parametrize(("name", "options"), [("x.png", {}), ("x.gif", {}), ("x.jpg", {"exif": b"Exif\0\0junk"})])
def test_an_ordinary_file_is_neither_animated_nor_turned(tmp_path: Path, name: str, options: Any) -> None:
    found = decode_module.decode(saved(tmp_path / name, LIGHT, **options), GREY)
    assert not found.animated
    assert not found.turned


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [((60, 40), 20, (20, 30)), ((40, 60), 20, (30, 20)), ((60, 40), 0, (40, 60)), ((60, 40), 40, (40, 60)),
     ((60, 40), 50, (40, 60)), ((33, 32), 31, (31, 32)), ((500, 2), 1, (1, 250))],
)  # fmt: skip
def test_a_whole_image_keeps_its_shape_and_its_shorter_side_is_bounded(tmp_path, suffix, size, side, expected):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    found = decode_whole(path, 3, side).pixels
    with Image.open(path) as image:
        reference = image.resize((expected[1], expected[0]), Image.Resampling.BILINEAR)
    assert found.shape == (*expected, 3) and found.dtype == np.uint8
    assert np.array_equal(found, np.asarray(reference))
    assert np.array_equal(decode_whole(path, 1, side).pixels.shape, (*expected, 1))


def red(path: Path) -> Path:
    """A file of pure red, written by whoever writes the format without losing bits."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[..., 0] = 255
    if path.suffix == ".npy":
        np.save(path, pixels)
    elif path.stem == "deep":
        tifffile.imwrite(path, pixels.astype(np.uint16) * 257, photometric="rgb", compression="lzw")
    elif path.stem == "real":
        tifffile.imwrite(path, pixels.astype(np.float32), photometric="rgb")
    else:
        options: dict[str, Any] = {".webp": {"lossless": True}, ".jpg": {"quality": 100}}.get(path.suffix, {})
        Image.fromarray(pixels).save(path, **options)
    return path


REDS = ["x.jpg", "x.png", "x.bmp", "x.webp", "x.tif", "x.gif", "x.ppm", "x.npy", "deep.tif", "real.tif"]


@pytest.mark.parametrize("name", REDS)
def test_b8_red_is_red_in_every_format_wherever_it_lies(tmp_path: Path, name: str) -> None:
    """Checklist B8 and E30: red, green, blue, in this order."""
    path = red(tmp_path / name)
    # JPEG rounds in YCbCr: pure red comes back as 254.
    off = 1 if name == "x.jpg" else 0
    limits = (0.0, 65535.0) if path.stem == "deep" else (0.0, 255.0)
    form = ImageForm(8, 3, "crop", limits if path.stem == "real" else None)
    source = decode_module.Source(path.read_bytes, "x")
    for found in (
        decode_module.decode(path, form),
        decode_module.decode(path, ImageForm(4, 3, "stretch", limits)),
        decode_whole(path, 3, 0, None, form.value_range),
        decode_whole(path, 3, 4, None, limits),
        decode_module.decode_from(source, form),
        decode_module.decode_whole_from(source, 3, 0, form.value_range),
    ):
        np.testing.assert_allclose(
            found.pixels.reshape(-1, 3).astype(int), [[255, 0, 0]] * (found.pixels.size // 3), atol=off
        )
    # BT.601: 0.299 * 255 = 76.2 for red; 29 for blue in its place.
    grey = decode_module.decode(path, ImageForm(8, 1, "crop", form.value_range)).pixels
    np.testing.assert_allclose(grey.astype(int), 76, atol=off)


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.bmp", "x.webp", "x.tif", "x.ppm"])
def test_b8_opencv_has_the_same_colours_the_other_way_round(tmp_path: Path, name: str) -> None:
    cv2 = pytest.importorskip("cv2")
    path = saved(tmp_path / name, COLOUR)
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    np.testing.assert_allclose(bgr[..., ::-1], decode(path, RGB), atol=2 if name == "x.jpg" else 0)


def deep_png(pixels: Any, colour: int) -> bytes:
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)), (b"IDAT", zlib.compress(rows)))
    body = b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        for name, part in (*parts, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    "kind", ["grey.png", "colour.png", "alpha.png", "grey.tif", "colour.tif", "alpha.tif", "x.ppm"]
)
def test_sixteen_bits_have_one_rule_whatever_their_colours_and_format(tmp_path: Path, kind: str) -> None:
    """v * 255 / 65535, rounded, as with [0, 65535]; the upper byte of 0x12F0 is 18, 0x12F0 / 257 is 18.86."""
    wide = np.append(WIDE[:63], 0x12F0).reshape(8, 8, 1).astype(np.uint16)
    have = {"grey": 1, "colour": 3, "alpha": 4}.get(kind.partition(".")[0], 3)
    pixels, path = np.repeat(wide, have, axis=2), tmp_path / kind
    if path.suffix == ".ppm":
        path.write_bytes(b"P6 8 8 65535\n" + pixels.astype(">u2").tobytes())
    elif path.suffix == ".tif":
        photometric = "minisblack" if have == 1 else "rgb"
        tifffile.imwrite(path, pixels if have > 1 else pixels[..., 0], photometric=photometric)
    else:
        path.write_bytes(deep_png(pixels, {1: 0, 3: 2, 4: 6}[have]))
    expected = [[round(Fraction(int(v) * 255, 65535)) for v in row] for row in wide[..., 0]]
    assert expected[7][7] == 19
    for channels in (1, 3):
        for limits in (None, (0.0, 65535.0)) if path.suffix != ".ppm" else (None,):
            found = decode(path, ImageForm(8, channels, "stretch", limits))
            np.testing.assert_array_equal(found, np.repeat(np.array(expected)[..., None], channels, axis=2))


def test_a_range_takes_all_bits_of_16_bit_colours(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.full((8, 8, 3), 0x12F0, np.uint16), photometric="rgb")
    seen = decode(tmp_path / "x.tif", ImageForm(8, 3, "crop", (0x1200, 0x12FF)))
    assert seen.min() == seen.max() == 0xF0


def test_signed_bytes_of_grey_have_no_range_of_their_own(tmp_path: Path) -> None:
    """Pillow alone takes -5 for 251."""
    tifffile.imwrite(tmp_path / "x.tif", np.full((8, 8), -5, np.int8), photometric="minisblack")
    with pytest.raises(DataError, match=r"its int8 values \(from -5 to -5\) have no defined range"):
        decode(tmp_path / "x.tif", GREY)
    found = decode(tmp_path / "x.tif", ImageForm(8, 1, "crop", (-10.0, 0.0)))
    assert np.unique(found).tolist() == [128]


@pytest.mark.parametrize("pixels", [LIGHT, COLOUR, LIGHT.astype(np.uint16), LIGHT.astype(np.float32)])
def test_a_header_is_not_taken_for_pixels(tmp_path: Path, pixels: Any) -> None:
    path = saved(tmp_path / "x.tif", pixels)
    with tifffile.TiffFile(path) as opened:
        entry = opened.pages[0].tags[273]
    content = bytearray(path.read_bytes())
    content[entry.valueoffset : entry.valueoffset + 4] = bytes(4)
    path.write_bytes(content)
    limits = None if pixels.dtype == np.uint8 else (0.0, 255.0)
    for form in (ImageForm(8, 1, "stretch", limits), ImageForm(8, 3, "stretch", limits)):
        with pytest.raises(DataError, match="a strip or tile of it is not in the file"):
            decode(path, form)


def bomb(side: int, samples: int, bits: int) -> bytes:
    """The header of a TIFF file without anything behind it (TIFF 6.0, section 2), its strip at byte 8."""
    tags = ((256, side), (257, side), (258, bits), (259, 1), (262, 1), (273, 8), (277, samples), (278, side))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in (*tags, (279, 100)))
    return b"II*\0" + struct.pack("<IH", 8, len(tags) + 1) + entries + bytes(4)


@pytest.mark.parametrize("form", [GREY, RGB, ImageForm(8, 60_000, "stretch")])
def test_a_bomb_of_samples_is_this_files_fault(tmp_path: Path, form: ImageForm) -> None:
    (tmp_path / "x.tif").write_bytes(bomb(10_000, 60_000, 16))
    with pytest.raises(DataError, match=r"x.tif: cannot be decoded \(12,000,000,000,000 bytes of values could be a"):
        decode(tmp_path / "x.tif", form)


def test_what_libraries_log_of_a_file_does_not_reach_the_terminal(tmp_path: Path) -> None:
    """In a process of its own, since pytest handles all that is logged in its."""
    damaged = bytearray(bomb(8, 5, 16))
    # The type of the first tag is none.
    damaged[12:14] = b"\xff\xff"
    (tmp_path / "damaged.tif").write_bytes(damaged)
    (tmp_path / "bomb.tif").write_bytes(bomb(10_000, 60_000, 16))
    program = (
        "import sys\nfrom pathlib import Path\nfrom cvrun.data import ImageForm\n"
        "from cvrun.pipeline.decode import ImageError, decode\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n        decode(Path(name), ImageForm(8, 5, 'stretch'))\n"
        "    except ImageError:\n        print('refused')\n"
    )
    words = [sys.executable, "-c", program, tmp_path / "damaged.tif", tmp_path / "bomb.tif"]
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == ("refused\nrefused\n", "")


def test_a_12_bit_image_in_16_bits_has_16_levels_without_a_range_and_all_with_it(tmp_path: Path) -> None:
    every = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(every).save(tmp_path / "x.png")
    blind = decode_module.decode(tmp_path / "x.png", ImageForm(64, 1, "crop")).pixels
    seen = decode_module.decode(tmp_path / "x.png", ImageForm(64, 1, "crop", (0.0, 4095.0))).pixels
    # 4095 / 257 = 15.93: levels 0 to 16.
    assert (len(np.unique(blind)), blind.max(), len(np.unique(seen))) == (17, 16, 256)
    np.testing.assert_array_equal(seen[..., 0], np.rint(every.astype(float) * 255 / 4095))


def test_alpha_is_left_out_unless_it_is_counted(tmp_path: Path) -> None:
    pixels = draw(8, 8, 4).astype(np.uint8)
    path = saved(tmp_path / "x.png", pixels)
    np.testing.assert_array_equal(decode(path, RGB), pixels[..., :3])
    np.testing.assert_array_equal(decode(path, ImageForm(8, 4, "stretch")), pixels)
    with pytest.raises(DataError, match=r"it has 3 channels, expected the 5 of data.channels; set data.channels=3"):
        decode(path, ImageForm(8, 5, "stretch"))


def test_pages_of_a_tiff_file_are_channels_where_they_are_as_many(tmp_path: Path) -> None:
    pages = draw(5, 8, 8).astype(np.uint8)
    first, *others = (Image.fromarray(page) for page in pages)
    first.save(tmp_path / "x.tif", save_all=True, append_images=others)
    found = decode_module.decode(tmp_path / "x.tif", ImageForm(8, 5, "stretch"))
    np.testing.assert_array_equal(found.pixels, np.moveaxis(pages, 0, 2))
    assert not found.animated
    grey = decode_module.decode(tmp_path / "x.tif", GREY)
    np.testing.assert_array_equal(grey.pixels[..., 0], pages[0])
    assert grey.animated
