"""Tables as text: nothing lost, nothing broken by what names hold."""

import sys

import pytest

from cvrun.report.tables import plain_table, text_table


@pytest.fixture(autouse=True)
def no_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)


class Terminal:
    """A standard output that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True

    def write(self, text):
        raise AssertionError("a table is given as text, not printed")

    def flush(self):
        pass


def test_a_table_in_a_pipe():
    assert text_table(["name", "n"], [["a", "1,000"], ["bcd", "2"]], right=(1,)) == (
        "name      n\n───────────\na     1,000\nbcd       2\n"
    )


def test_a_table_without_rows_is_its_heading():
    assert text_table(["a", "b"], []) == "a  b\n────\n"


def test_in_a_pipe_nothing_is_folded():
    long = "word " * 100 + "end"
    assert text_table(["a", "b"], [["x", long]]).splitlines()[2] == f"x  {long}"


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_columns_folds_between_words(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    words = [f"key{i}=value" for i in range(30)]
    text = text_table(["path", "words"], [["outputs/run/1", " ".join(words)]], whole=(0,))
    assert max(map(len, text.splitlines())) <= columns
    assert [word for word in text.split() if word.startswith("key")] == words


def test_a_column_that_stays_whole_is_not_cut_at_any_width(monkeypatch):
    for columns in (1, 10, 30):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = text_table(["path", "score", "rest"], [["p" * 50, "0.1234", "x"]], right=(1,), whole=(0,))
        assert f"{'p' * 50}  0.1234  x" in text


def test_names_from_files_are_inert():
    rows = [["[red]x[/red]", "\x1b[31m\n\t\x07", ":smile:", "ü漢"]]
    line = text_table(["a", "b", "c", "d"], rows).splitlines()[2]
    assert line == "[red]x[/red]  \\x1b[31m\\n\\t\\x07  :smile:  ü漢"
    assert plain_table([("name", "[b]\x1b")]) == "name  [b]\\x1b\n"


@pytest.mark.parametrize(("no_color", "term"), [("", "xterm"), ("1", "xterm"), ("", "dumb")])
def test_on_a_terminal_headings_are_bold_and_colours_never_come(monkeypatch, no_color, term):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", term)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    text = text_table(["name"], [["a"]])
    assert ("\x1b[1mname" in text) == (term != "dumb")
    assert "\x1b[3" not in text
    assert text.splitlines()[-1] == "a"
