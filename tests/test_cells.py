"""Cells of CSV files: inert for spreadsheets, exact for programs."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvrun.cells import path_cell, plain_text, read_table, reasons_table, text_cell, write_row
from cvrun.errors import DataError

# OWASP, CSV injection: =, +, -, @, tab, carriage return, line feed, and the wide forms of the first four.
STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]


@pytest.mark.parametrize("start", STARTS)
def test_what_begins_a_formula_gets_a_quote_in_front(start):
    assert text_cell(f"{start}1+1") == f"'{start}1+1"
    assert text_cell(start) == f"'{start}"


@pytest.mark.parametrize("text", ["", "cat", "a=b", "1-2", " =1", "'quoted'", "\u00fc"])
def test_other_text_stays(text):
    assert text_cell(text) == text


def test_two_texts_never_become_the_same():
    texts = ["=x", "'=x", "''=x", "x", "'x"]
    assert len({text_cell(text) for text in texts}) == len(texts)


@pytest.mark.parametrize("start", STARTS)
def test_a_path_still_finds_its_file(tmp_path, start, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"{start}cmd.png"
    Path(name).write_text("found")
    cell = path_cell(Path(name))
    assert cell == f"./{name}"
    with open(cell) as file:
        assert file.read() == "found"


def test_other_paths_stay():
    for path in ("a/=b.png", "/=b", "x.png", "../-x"):
        assert path_cell(Path(path)) == path


@pytest.mark.parametrize("cell", ["a\rb", "a;=1+1", "a\t=1+1"])
def test_a_row_that_another_separator_would_split_is_quoted(cell):
    file = io.StringIO()
    write_row(file, [cell, "0.5"])
    assert file.getvalue() == f'"{cell}","0.5"\n'
    assert list(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [[cell, "0.5"]]


def test_a_plain_row_is_plain():
    file = io.StringIO()
    write_row(file, ["a b", "-0.5", "x,y", 'say "x"'])
    assert file.getvalue() == 'a b,-0.5,"x,y","say ""x"""\n'


@given(st.text() | st.text("'=+-@\t a", max_size=5))
def test_a_cell_is_read_back_as_its_text(text):
    assert plain_text(text_cell(text)) == text


def test_a_table_is_read_with_its_row_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'# mine\r\nid , part\r\na,1\r\n\r\n" b",2\r\n')
    table = read_table(path, "a table")
    assert (table.comment, table.header, table.rows) == ("# mine", ["id", "part"], [(3, ["a", "1"]), (5, [" b", "2"])])
    assert (table.find("path", "id"), table.find("part")) == (0, 1)
    with pytest.raises(DataError, match=r"t\.csv row 2: column 'idd' is missing, .* did you mean 'id'\?"):
        table.find("idd")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it is empty"),
        ("a,b\n1\n1,2\n3\n", "row 2: 1 cells, expected 2; 2 rows are wrong: 2, 4"),
        ('"a', "not a CSV"),
    ],
)
def test_a_broken_table_is_one_line(tmp_path, text, expected):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "t.csv", "a table")
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_a_column_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("id,id\n1,2\n")
    with pytest.raises(DataError, match="column 'id' stands twice"):
        read_table(tmp_path / "t.csv", "a table").find("id")


def test_reasons_are_read_back_as_they_were(tmp_path):
    reasons = [("a,b.png", "torn"), ("=1+2.png", "line\nbreak"), ("caf\u00e9.png", "@risk")]
    path = tmp_path / "out.csv"
    path.write_bytes(reasons_table(reasons))
    table = read_table(path, "a table")
    read = [tuple(map(plain_text, row)) for _, row in table.rows]
    assert table.header == ["path", "reason"]
    assert read == [("a,b.png", "torn"), ("=1+2.png", "line\\nbreak"), ("caf\u00e9.png", "@risk")]
