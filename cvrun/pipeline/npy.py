"""Arrays in NumPy's format (.npy): numbers alone, never objects."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray

from cvrun.pipeline.levels import UnfitError

MAGIC = b"\x93NUMPY"
"""The first bytes of such a file."""

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def decode(content: bytes) -> NDArray[np.generic]:
    """Give the image in such a file, (H, W, C), in native byte order: bool as 0 and 255, else the numbers as they are.

    Raises:
        ValueError: If it is damaged, or holds something else than numbers.
        UnfitError: If it is not of shape (H, W) or (H, W, C).
    """
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version[0]}.{version[1]} of the format")
    try:
        shape, by_columns, dtype = _HEADERS[version](file)
    # The header is read as a Python literal, which fails in many ways.
    except Exception as error:
        raise ValueError("its header is damaged") from error
    if dtype.kind not in "buif":
        raise UnfitError(f"its array holds {dtype}", "whole or real numbers")
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise UnfitError(f"its array has the shape {shape}", "(height, width) or (height, width, channels)")
    # numpy.load would take the memory that a header asks for before it looks how much there is.
    count, start = math.prod(shape), file.tell()
    if len(content) - start < count * dtype.itemsize:
        raise ValueError(f"it holds {len(content) - start:,} of {count * dtype.itemsize:,} bytes")
    flat = np.frombuffer(content, dtype, count, start)
    if dtype.kind == "b":
        flat = flat.astype(np.uint8) * np.uint8(255)
    flat = flat.astype(flat.dtype.newbyteorder("="), copy=False)
    values = flat.reshape(shape, order="F" if by_columns else "C")
    return np.ascontiguousarray(values if values.ndim == 3 else values[..., None])
