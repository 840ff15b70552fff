"""Values as they lie in a file: against the arrays that were written, by Pillow, tifffile, NumPy or by hand."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from cvrun.pipeline.levels import UnfitError
from cvrun.pipeline.raw import needed, raw

DRAW = np.random.default_rng(0)


def draw(*shape: int, most: int = 65536, kind: str = "u2") -> Any:
    return DRAW.integers(0, most, shape).astype(kind)


def pillow(pixels: Any, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def tiff(pixels: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def paeth(a: int, b: int, c: int) -> int:
    return min((a, b, c), key=lambda near: (abs(a + b - c - near), (a, b, c).index(near)))


def png(pixels: Any, colour: int) -> bytes:
    """A 16-bit PNG by its specification (sections 7 and 9), its rows under the five filters in turn."""
    height, width, channels = pixels.shape
    each, rows = 2 * channels, pixels.astype(">u2").reshape(height, -1).view(np.uint8).tolist()
    above, body = [0] * len(rows[0]), bytearray()
    for y, row in enumerate(rows):
        left = [0] * each + row[:-each]
        corner = [0] * each + above[:-each]
        guesses = (
            [0] * len(row),
            left,
            above,
            [(a + b) // 2 for a, b in zip(left, above, strict=True)],
            [paeth(*near) for near in zip(left, above, corner, strict=True)],
        )
        body += bytes([y % 5, *((v - g) % 256 for v, g in zip(row, guesses[y % 5], strict=True))])
        above = row
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(body))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def adam7(pixels: Any, colour: int) -> bytes:
    """A 16-bit PNG, interlaced by the specification (section 8.2), its rows without a filter."""
    height, width, _ = pixels.shape
    starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    body = b""
    for y, x, down, right in starts:
        some = pixels[y::down, x::right].astype(">u2")
        body += b"".join(b"\0" + row.tobytes() for row in some) if some.size else b""
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 1)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_16_bit_colours_of_a_png_are_whole() -> None:
    """Pillow alone gives their upper bytes."""
    pixels = draw(11, 7, 3)
    with Image.open(io.BytesIO(png(pixels, 2))) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels >> 8)
    found = raw(png(pixels, 2), 3)
    np.testing.assert_array_equal(found.values, pixels)
    assert (found.mode, found.bits, found.channels) == ("RGB;16", 16, 3)


def test_16_bit_alpha_of_a_png_is_no_channel_unless_it_is_counted() -> None:
    pixels = draw(6, 5, 4)
    np.testing.assert_array_equal(raw(png(pixels, 6), 3).values, pixels[..., :3])
    np.testing.assert_array_equal(raw(png(pixels, 6), 4).values, pixels)
    np.testing.assert_array_equal(raw(png(pixels, 6)).values, pixels)
    # Grey and RGB become each other, and without a range an RGBA file of 8 bits does as well.
    np.testing.assert_array_equal(raw(png(pixels, 6), 1).values, pixels[..., :3])
    assert raw(png(draw(6, 5, 3), 2), 2).channels == 3


@pytest.mark.parametrize("interlaced", [False, True])
def test_16_bit_grey_with_alpha_of_a_png_is_whole(interlaced: bool) -> None:
    pixels = draw(11, 7, 2)
    content = adam7(pixels, 4) if interlaced else png(pixels, 4)
    for channels in (1, 3):
        found = raw(content, channels)
        np.testing.assert_array_equal(found.values, pixels[..., :1])
    for other in (None, 2):
        np.testing.assert_array_equal(raw(content, other).values, pixels)
    assert (found.mode, found.bits) == ("LA;16", 16)


def test_interlaced_16_bit_colours_of_a_png_are_whole() -> None:
    pixels = draw(11, 7, 3)
    np.testing.assert_array_equal(raw(adam7(pixels, 2), 3).values, pixels)


def test_grey_of_16_bits() -> None:
    pixels = draw(6, 5)
    for content in (pillow(pixels, "PNG"), pillow(pixels, "TIFF"), pillow(pixels, "PPM"), png(pixels[..., None], 0)):
        found = raw(content, 1)
        np.testing.assert_array_equal(found.values[..., 0], pixels)
        assert found.bits == 16


@pytest.mark.parametrize("most", [1, 15, 200, 255, 256, 1023, 4095, 65535])
@pytest.mark.parametrize("form", ["P2", "P5"])
def test_a_pgm_file_has_the_values_that_stand_in_it(most: int, form: str) -> None:
    pixels = draw(9, 13, most=most + 1)
    body = " ".join(map(str, pixels.ravel())).encode()
    if form == "P5":
        body = pixels.astype("u1" if most < 256 else ">u2").tobytes()
    found = raw(f"{form}\n13 9\n{most}\n".encode() + body, 1)
    np.testing.assert_array_equal(found.values[..., 0], pixels)


def test_a_ppm_file_of_16_bits_is_refused_where_bits_would_be_lost() -> None:
    deep = b"P6\n2 1\n65535\n" + draw(1, 2, 3).astype(">u2").tobytes()
    with pytest.raises(UnfitError, match="PPM file with colours of 16 bits"):
        raw(deep, 3)
    small = draw(1, 2, 3, most=16, kind="u1")
    np.testing.assert_array_equal(raw(b"P6\n2 1\n15\n" + small.tobytes(), 3).values, small)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 2), (9, 7, 3), (9, 7, 5)])
@pytest.mark.parametrize("layout", [("contig", "none"), ("separate", "lzw"), ("contig", "deflate")])
def test_tiff_files_of_any_kind(kind: str, shape: tuple[int, ...], layout: tuple[str, str]) -> None:
    low, high = (0, 2**31) if kind == "u4" else (0, 100)
    pixels = DRAW.integers(low, high, shape).astype(kind)
    if kind[0] in "if":
        pixels = (pixels - 50).astype(kind)
    if kind == "u4":
        pixels += 2**31
    plane, packed = layout
    stored = np.moveaxis(pixels, 2, 0) if plane == "separate" and pixels.ndim == 3 else pixels
    options = {"planarconfig": plane} if pixels.ndim == 3 else {}
    photometric = "rgb" if pixels.shape[2:] == (3,) and kind in ("u1", "u2") else "minisblack"
    content = tiff(stored, photometric=photometric, compression=packed, **options)
    found = raw(content, pixels.shape[2] if pixels.ndim == 3 else 1)
    np.testing.assert_array_equal(found.values, pixels.reshape(9, 7, -1))


@pytest.mark.parametrize("kind", ["u1", "u2", "f4", "f8"])
def test_as_many_pages_as_channels_are_the_channels(kind: str) -> None:
    pages = draw(5, 9, 7, most=200, kind=kind)
    content = tiff(pages, photometric="minisblack")
    np.testing.assert_array_equal(raw(content, 5).values, np.moveaxis(pages, 0, 2))
    for other in (None, 1, 3):
        np.testing.assert_array_equal(raw(content, other).values[..., 0], pages[0])
    three = tiff(pages[:3], photometric="minisblack")
    assert needed(three, 3) and not needed(pillow(pages[0], "TIFF") if kind != "f8" else three[:0], 3)


def test_alpha_is_a_channel_only_where_it_is_counted() -> None:
    pixels = draw(6, 5, 4, kind="u1")
    for content in (pillow(pixels, "PNG"), pillow(pixels, "TIFF")):
        np.testing.assert_array_equal(raw(content, 3).values, pixels[..., :3])
        np.testing.assert_array_equal(raw(content, 4).values, pixels)
    deep = draw(6, 5, 4)
    content = tiff(deep, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(raw(content, 3).values, deep[..., :3])
    np.testing.assert_array_equal(raw(content, 4).values, deep)


def test_plain_files_have_their_levels() -> None:
    grey, colour = draw(6, 5, kind="u1"), draw(6, 5, 3, kind="u1")
    found = raw(pillow(colour, "BMP"))
    assert (found.mode, found.bits, found.channels) == ("RGB", 8, 3)
    np.testing.assert_array_equal(found.values, colour)
    np.testing.assert_array_equal(raw(pillow(grey, "GIF")).values[..., 0], grey)
    assert raw(pillow(grey, "JPEG")).mode == "L"
