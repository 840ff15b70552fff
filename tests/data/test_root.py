"""Roots and names of sources that read files."""

from pathlib import Path

import pytest

from cvrun.data._root import reason, root_folder, shown, some
from cvrun.errors import ConfigError, DataError


def test_a_folder_is_given_back(tmp_path, monkeypatch):
    assert root_folder(str(tmp_path)) == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert root_folder("~") == tmp_path


@pytest.mark.parametrize("root", [None, ""])
def test_no_root_is_an_error_of_configuration(root):
    with pytest.raises(ConfigError, match="data.root=null.*set data.root=FOLDER"):
        root_folder(root)


def test_what_is_no_folder_is_an_error_of_data(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DataError, match="file: is not a folder"):
        root_folder(str(file))
    with pytest.raises(DataError, match="nowhere: does not exist"):
        root_folder(str(tmp_path / "nowhere"))


def test_a_relative_root_that_is_missing_says_where_it_was_looked_for():
    with pytest.raises(DataError, match=f"a relative path starts at {Path.cwd()}"):
        root_folder("no/such/folder")


def test_control_characters_are_written_out():
    assert shown("a\x1b[31mb\nc") == "a\\x1b[31mb\\nc"
    assert shown("gr\u00fcn") == "gr\u00fcn"


def test_a_reason_is_never_empty():
    assert reason(OSError(2, "No such file or directory", "x")) == "No such file or directory"
    assert reason(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    ("names", "said"),
    [(["a"], "a"), (["a", "b\n", Path("c")], "a, b\\n, c"), ([str(i) for i in range(1003)], "0, 1, 2 and 1,000 more")],
)
def test_three_of_many_are_named(names, said):
    assert some(names) == said
