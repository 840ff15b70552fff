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
