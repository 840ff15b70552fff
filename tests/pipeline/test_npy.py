import io
from typing import Any

import numpy as np
import pytest

from cvrun.pipeline.levels import UnfitError
from cvrun.pipeline.npy import decode

DRAW = np.random.default_rng(0)


def written(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["u1", "<u2", ">u2", "<i4", ">f4", "f8", "f2"])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 1), (4, 3, 5)])
def test_numbers_come_back_as_they_were(kind: str, shape: tuple[int, ...]) -> None:
    array = DRAW.integers(0, 200, shape).astype(kind)
    for given in (array, np.asfortranarray(array)):
        found = decode(written(given))
        np.testing.assert_array_equal(found, array.reshape(4, 3, -1))
        assert found.dtype == array.dtype.newbyteorder("=") and found.flags.c_contiguous


def test_bits_are_black_and_white() -> None:
    assert decode(written(np.array([[True, False]])))[..., 0].tolist() == [[255, 0]]


def test_objects_are_never_loaded() -> None:
    with pytest.raises(UnfitError, match="its array holds object, expected whole or real numbers"):
        decode(written(np.array([[object()]]), allow_pickle=True))
    with pytest.raises(UnfitError, match="complex128"):
        decode(written(np.ones((2, 2), complex)))


@pytest.mark.parametrize("shape", [(-4, -4), (-4, 4), (4, 4, -1)])
def test_a_header_with_negative_sides_is_refused(shape: tuple[int, ...]) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)
    with pytest.raises(UnfitError, match=r"its array has the shape \(-?4, -?4"):
        decode(content)


@pytest.mark.parametrize("shape", [(), (5,), (2, 2, 2, 2), (0, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnfitError, match=r"its array has the shape \("):
        decode(written(np.zeros(shape)))


def test_a_header_that_promises_more_than_there_is_takes_no_memory() -> None:
    content = written(np.zeros((8, 8), np.uint8))
    for end in (-1, 20, 60, 8):
        with pytest.raises(ValueError):
            decode(content[:end])
    with pytest.raises(ValueError, match="it holds 64 of 72 bytes"):
        decode(content.replace(b"(8, 8)", b"(8, 9)"))
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999, 9999999999), }\n"
    with pytest.raises(ValueError, match="it holds 3 of"):
        decode(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"abc")
