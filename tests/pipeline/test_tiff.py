"""TIFF files that Pillow does not read: turned, damaged, too large, or without the reader."""

import io
import sys
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from cvrun.pipeline.levels import UnfitError
from cvrun.pipeline.raw import raw

DRAW = np.random.default_rng(0)


def draw(*shape: int, kind: str = "u2") -> Any:
    return DRAW.integers(0, 65536, shape).astype(kind)


def pillow(pixels: Any, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def tiff(pixels: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def test_pages_that_differ_are_no_channels() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(draw(9, 7, kind="u1"), photometric="minisblack")
        writer.write(draw(9, 8, kind="u1"), photometric="minisblack")
    with pytest.raises(UnfitError, match="its page 2 is 8x9 of uint8, the first is 7x9 of uint8, expected pages"):
        raw(file.getvalue(), 2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_tiff_file_that_pillow_does_not_read(orientation: int) -> None:
    """Against Pillow, which turns a file of its own by the same tag."""
    pixels = draw(6, 5, kind="u1")
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = raw(pillow(pixels, "TIFF", exif=exif)).values
    deep = tiff(pixels.astype("f8"), extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(raw(deep).values, turned)


def test_damaged_tiff_files_are_errors() -> None:
    content = tiff(draw(20, 20, 5), photometric="minisblack", planarconfig="contig")
    for end in (4, 8, 100, len(content) // 2):
        with pytest.raises(Exception):  # noqa: B017
            raw(content[:end], 5)


def test_a_tiff_bomb_is_refused_before_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tiff(np.zeros((100, 100, 5), "u2"), photometric="minisblack", planarconfig="contig")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    with pytest.raises(ValueError, match="100x100 pixels could be a decompression bomb"):
        raw(content, 5)


def test_without_tifffile_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tiff(draw(9, 7, 5), photometric="minisblack", planarconfig="contig")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(UnfitError) as caught:
        raw(content, 5)
    assert (caught.value.reason, caught.value.hint) == (
        "it needs tifffile, which is not installed",
        "pip install 'cvrun[tiff]'",
    )
    # What Pillow reads needs none.
    assert raw(pillow(draw(6, 5), "TIFF"), 1).bits == 16


def test_other_channels_are_refused_by_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tiff(draw(9, 7, 5), photometric="minisblack", planarconfig="contig")

    def decoded(*_: object, **__: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", decoded)
    for channels in (1, 3, 4):
        with pytest.raises(UnfitError, match=f"it has 5 channels, expected the {channels} of data.channels"):
            raw(content, channels)
    with pytest.raises(AssertionError):
        raw(content, 5)


def test_pages_together_are_no_bomb_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 9 pages has 10,000 values, and 8 times as many bytes may be there."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    for kind, count in (("u1", "90,000"), ("f8", "720,000")):
        content = tiff(draw(9, 100, 100, kind=kind), photometric="minisblack", compression="deflate")
        with pytest.raises(ValueError, match=f"{count} bytes of values could be a decompression bomb"):
            raw(content, 9)
        if kind == "u1":
            assert raw(content, 1).values.shape == (100, 100, 1)


def test_a_bomb_of_a_tile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tiff(draw(10, 10, 5), photometric="minisblack", planarconfig="contig", tile=(2048, 16))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    with pytest.raises(ValueError, match="327,680 bytes of values could be a decompression bomb"):
        raw(content, 5)


@pytest.mark.parametrize("shape", [(40, 30, 3), (40, 30, 5)])
@pytest.mark.parametrize("packed", ["deflate", "none"])
@pytest.mark.parametrize(("tag", "value"), [(279, 0), (273, 0), (273, 2**30), (279, 2**30)])
def test_strips_that_lie_nowhere_are_not_black(shape: Any, packed: str, tag: int, value: int) -> None:
    """tifffile takes them for the holes of a sparse file."""
    photometric = "rgb" if shape[2] == 3 else "minisblack"
    options = {"photometric": photometric, "planarconfig": "contig", "rowsperstrip": 10}
    whole = tiff(draw(*shape), compression=packed, **options)
    assert raw(whole, shape[2]).values.shape == shape
    file = io.BytesIO(whole)
    with tifffile.TiffFile(file) as opened:
        entry = opened.pages[0].tags[tag]
        width = {3: 2, 4: 4}[int(entry.dtype)]
        at = entry.valueoffset + width
    content = bytearray(whole)
    content[at : at + width] = min(value, 256**width - 1).to_bytes(width, "little")
    with pytest.raises(ValueError, match="strip or tile (2|of it) is not in the file"):
        raw(bytes(content), shape[2])


def test_fewer_strips_than_there_should_be_are_an_error() -> None:
    options = {"photometric": "rgb", "planarconfig": "contig", "rowsperstrip": 10, "compression": "deflate"}
    content = bytearray(tiff(draw(40, 30, 3), **options))
    with tifffile.TiffFile(io.BytesIO(content)) as opened:
        entry = opened.pages[0].tags[278]
        content[entry.valueoffset : entry.valueoffset + 2] = (5).to_bytes(2, "little")
    with pytest.raises(ValueError, match="4 of its 8 strips or tiles"):
        raw(bytes(content), 3)


@pytest.mark.parametrize("kind", ["u1", "u2", "u4"])
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 5)])
def test_white_as_0_is_turned_around(kind: str, shape: tuple[int, ...]) -> None:
    pixels = DRAW.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    options = {"planarconfig": "contig"} if len(shape) == 3 else {}
    content = tiff(pixels, photometric="miniswhite", **options)
    expected = (np.iinfo(kind).max - pixels.astype(np.int64)).reshape(9, 7, -1)
    np.testing.assert_array_equal(raw(content, expected.shape[2]).values, expected)


@pytest.mark.parametrize("kind", ["i1", "i2", "f4"])
def test_white_as_0_is_refused_where_no_value_is_black(kind: str) -> None:
    content = tiff(draw(9, 7, kind="u1").astype(kind), photometric="miniswhite")
    with pytest.raises(UnfitError, match="have no defined white"):
        raw(content, 1)


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 5)])
def test_complex_values_are_refused(shape: tuple[int, ...]) -> None:
    options = {"planarconfig": "contig"} if len(shape) == 3 else {}
    content = tiff(np.ones(shape, np.complex64), photometric="minisblack", **options)
    with pytest.raises(UnfitError, match="its values are complex64, expected whole or real numbers"):
        raw(content, 1)


def test_alpha_of_16_bits_is_left_out_of_grey_as_of_colours() -> None:
    pixels = draw(6, 5, 4)
    content = tiff(pixels, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(raw(content, 1).values, pixels[..., :3])
    grey = tiff(pixels[..., :2], photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"])
    for channels in (1, 3):
        np.testing.assert_array_equal(raw(grey, channels).values, pixels[..., :1])
    np.testing.assert_array_equal(raw(grey, 2).values, pixels[..., :2])


def test_inks_of_16_bits_are_colours_unless_four_are_wanted() -> None:
    ink = draw(6, 5, 4)
    content = tiff(ink, photometric="separated", planarconfig="contig")
    np.testing.assert_array_equal(raw(content, 4).values, ink)
    share = ink / 65535
    expected = np.rint((1 - share[..., :3]) * (1 - share[..., 3:]) * 65535)
    np.testing.assert_allclose(raw(content, 3).values.astype(float), expected, atol=1)


def test_colours_of_another_kind_are_no_rgb() -> None:
    content = tiff(draw(6, 5, 3), photometric="cielab", planarconfig="contig")
    with pytest.raises(ValueError, match="colours of the kind CIELAB"):
        raw(content, 3)
