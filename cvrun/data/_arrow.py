"""Columns in Arrow's memory format, as Parquet files and Hugging Face data sets hold them, as text."""

from __future__ import annotations

import math
from typing import Any

EXACT = 2**53
"""Below it a float holds every whole number (IEEE 754 double precision)."""


def is_plain(kind: Any) -> bool:
    """Whether the values of an Arrow type are single texts, numbers, truth values or times."""
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return is_plain(kind.value_type)
    texts = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    numbers = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(texts or numbers or types.is_boolean(kind) or types.is_temporal(kind) or types.is_null(kind))


def texts_or_none(column: Any) -> list[str] | None:
    """Give texts(column), or None where Arrow cannot write its values, such as times in an unknown zone."""
    import pyarrow as pa

    try:
        return texts(column)
    except (pa.ArrowException, ValueError, OverflowError):
        return None


def texts(column: Any) -> list[str]:
    """Give the values of a plain column (a pyarrow ChunkedArray) as they would stand in a CSV file.

    What is missing, and NaN, is empty; a whole number is written without a fraction, since a column of whole numbers
    with gaps is often stored as floats; truth values are true and false.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return texts(column.cast(kind.value_type))
    written = column.cast(pa.string()).to_pylist()
    if not pa.types.is_floating(kind):
        return ["" if text is None else text for text in written]
    # Arrow writes narrow floats with as few digits as they need; their values as Python's floats have more.
    short = kind.bit_width < 64
    pairs = zip(column.to_pylist(), written, strict=True)
    return [number(value, text if short else repr(value)) for value, text in pairs]


def number(value: float | None, text: str) -> str:
    """Give a number as it would stand in a CSV file: as text says it, unless it is whole, NaN or missing."""
    if value is None or math.isnan(value):
        return ""
    return str(int(value)) if abs(value) < EXACT and value == int(value) else text
