"""What a table is read into; tests/data/test_csv.py goes through what the rows may hold."""

import builtins
from pathlib import Path
from typing import Any

import pytest

from cvrun.data._table import read_table
from cvrun.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def save(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_csv_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a, b\n1, x \n\n2,y\n")
    table = read_table(tmp_path / "t.csv")
    assert table.header == ("a", "b")
    assert list(table.rows) == [(2, ["1", "x"]), (4, ["2", "y"])]


def test_a_parquet_file_by_its_suffix(tmp_path: Path) -> None:
    table = read_table(save(tmp_path / "t.PARQUET", a=[1, 2], b=[" x ", None]))
    assert table.header == ("a", "b")
    assert list(table.rows) == [(2, ["1", "x"]), (3, ["2", ""])]


def test_columns_that_hold_no_plain_values_are_not_read(tmp_path: Path) -> None:
    table = read_table(save(tmp_path / "t.parquet", a=[1], image=[b"\x00"], points=[[1, 2]]))
    assert table.header == ("a",)
    with pytest.raises(DataError, match="column 'points' holds list<.*expected text, numbers or truth values"):
        table.find("points")
    with pytest.raises(DataError, match="column 'imagee' is missing, expected it among: a"):
        table.find("imagee")


def test_columns_of_one_name(tmp_path: Path) -> None:
    pq.write_table(
        pa.Table.from_arrays([pa.array([i]) for i in range(3)], names=["a", "b", "b"]), tmp_path / "t.parquet"
    )
    table = read_table(tmp_path / "t.parquet")
    assert [values[table.find("a")] for _, values in table.rows] == ["0"]
    assert {len(values) for _, values in table.rows} == {len(table.header)}
    with pytest.raises(DataError, match="column 'b' stands twice"):
        table.find("b")


def test_a_plain_and_a_nested_column_of_one_name(tmp_path: Path) -> None:
    columns = [pa.array(["x"]), pa.array([[1, 2]]), pa.array(["y"])]
    pq.write_table(pa.Table.from_arrays(columns, names=["label", "label", "path"]), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert [values[table.find("path")] for _, values in table.rows] == ["y"]
    with pytest.raises(DataError) as caught:
        table.find("label")
    said = f"{tmp_path / 't.parquet'} row 1: column 'label' stands twice, expected one column of that name"
    assert str(caught.value) == said


def test_columns_that_cannot_be_written_as_text_are_left_out(tmp_path: Path) -> None:
    odd = pa.array([0, 1], pa.timestamp("us", tz="Nowhere/X"))
    table = read_table(save(tmp_path / "t.parquet", a=["x", "y"], when=odd))
    assert table.header == ("a",)
    assert list(table.rows) == [(2, ["x"]), (3, ["y"])]
    with pytest.raises(DataError, match=r"column 'when' holds timestamp\[us, tz=Nowhere/X\], expected text, numbers"):
        table.find("when")
    none = read_table(save(tmp_path / "u.parquet", when=odd))
    assert none.header == () and [number for number, _ in none.rows] == [2, 3]
    with pytest.raises(DataError, match="column 'a' is missing"):
        none.find("a")


def test_a_parquet_file_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), path)
    assert refused(path) == f"{path}: 0 rows, expected at least one image"


def test_damaged_parquet_files_are_data_errors(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.parquet", a=[f"row {i}" for i in range(500)], b=list(range(500))).read_bytes()
    damaged = tmp_path / "t.parquet"
    for end in (0, 3, 100, len(whole) - 1):
        damaged.write_bytes(whole[:end])
        assert refused(damaged).startswith(f"{damaged}: cannot be read (")
    damaged.write_text("path,label\n")
    assert "expected a Parquet table" in refused(damaged)
    assert "cannot be read (No such file or directory)" in refused(tmp_path / "none.parquet")
    outcomes = set()
    for at in range(0, len(whole), 37):
        damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            read_table(damaged)
            outcomes.add("read")
        except DataError as error:
            assert str(error).isprintable()
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "t.parquet", a=[1])
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert refused(path) == (
        "data.file=t.parquet: reading Parquet needs pyarrow, which is not installed; "
        "pip install 'cvrun[parquet]', or save the table as CSV"
    )
