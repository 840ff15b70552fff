import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from cvrun.data._arrow import is_plain, texts

pa = pytest.importorskip("pyarrow")


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["a", None, ""], "string", ["a", "", ""]),
        (["a"], "large_string", ["a"]),
        ([3, None, -4], "int64", ["3", "", "-4"]),
        ([3.0, None, 0.1, 1e-7, -2.0], "float64", ["3", "", "0.1", "1e-07", "-2"]),
        ([123456789012.0, 2.0**53, np.nan, np.inf], "float64", ["123456789012", "9007199254740992.0", "", "inf"]),
        ([0.1, 3.0, 16777216.0], "float32", ["0.1", "3", "16777216"]),
        ([True, False, None], "bool_", ["true", "false", ""]),
        ([datetime.date(2026, 1, 2)], "date32", ["2026-01-02"]),
        ([None], "null", [""]),
    ],
)
def test_values_are_written_as_in_a_csv_file(values: list[Any], kind: str, expected: list[str]) -> None:
    column = pa.chunked_array([pa.array(values, getattr(pa, kind)())])
    assert is_plain(column.type)
    assert texts(column) == expected


def test_categories_and_decimals() -> None:
    column = pa.chunked_array([pa.array(["x", None, "x"]).dictionary_encode(), pa.array(["y"]).dictionary_encode()])
    assert is_plain(column.type)
    assert texts(column) == ["x", "", "x", "y"]
    assert texts(pa.chunked_array([pa.array([Decimal("1.50")])])) == ["1.50"]


@pytest.mark.parametrize("values", [[b"x"], [[1]], [{"a": 1}]])
def test_nested_values_and_bytes_are_not_plain(values: list[Any]) -> None:
    assert not is_plain(pa.array(values).type)
