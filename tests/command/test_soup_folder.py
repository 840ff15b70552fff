import json

import pytest

from cvrun.command._ingredients import Ingredient
from cvrun.command._soup_folder import place, read, soup_id
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder


def ingredient(run_id: str, digest: str) -> Ingredient:
    return Ingredient(RunFolder("x"), run_id, "best-00000001", 1, {"run_id": run_id}, {}, digest)


def test_an_id_is_that_of_weights_in_an_order_and_of_a_way_to_choose():
    a, b = ingredient("a", "1" * 64), ingredient("b", "2" * 64)
    assert soup_id([a, b], "uniform") == soup_id([a, b], "uniform")
    others = [
        ([b, a], "uniform"),
        ([a, b], "greedy"),
        ([a, b, b], "uniform"),
        ([a, ingredient("b", "3" * 64)], "uniform"),
    ]
    assert len({soup_id(*one) for one in [([a, b], "uniform"), *others]}) == 5
    assert len(soup_id([a, b], "uniform")) == 8


@pytest.fixture
def run(tmp_path) -> RunFolder:
    (tmp_path / "outputs" / "run" / "3fa9c1d2").mkdir(parents=True)
    return RunFolder(tmp_path / "outputs" / "run" / "3fa9c1d2")


def test_it_lies_where_the_ledger_of_the_runs_is(run, tmp_path):
    assert place(None, run, "12345678").path == tmp_path / "outputs" / "soups" / "12345678"
    assert place(tmp_path / "outputs" / "x" / "y", run, "12345678").path == tmp_path / "outputs" / "x" / "y"
    for path in (tmp_path / "outputs" / "y", tmp_path / "y", tmp_path / "outputs" / "x" / "y" / "z"):
        with pytest.raises(ConfigError, match=r"expected a folder such as .*outputs/soups/NAME; two below .*outputs"):
            place(path, run, "12345678")


def test_what_else_is_there_is_left_alone(run, tmp_path):
    path = tmp_path / "outputs" / "soups" / "12345678"
    path.mkdir(parents=True)
    place(None, run, "12345678")
    # What a process had begun that was killed.
    (path / ".lock").touch()
    (path / ".soup.json.4242.tmp").touch()
    assert place(None, run, "12345678").path == path
    (path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds something else, expected a new folder"):
        place(None, run, "12345678")
    (path / "soup.json").write_text(json.dumps({"id": "87654321"}))
    with pytest.raises(ConfigError, match="holds something else"):
        place(None, run, "12345678")
    (path / "soup.json").write_text(json.dumps({"id": "12345678"}))
    assert place(None, run, "12345678").path == path


def test_a_link_is_refused(run, tmp_path):
    path = tmp_path / "outputs" / "soups" / "12345678"
    path.mkdir(parents=True)
    (path / "soup.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="a link inside a run"):
        place(None, run, "12345678")


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, '"text"'])
def test_what_cannot_be_read_says_nothing(tmp_path, text):
    folder = RunFolder(tmp_path)
    assert read(folder) == {}
    (tmp_path / "soup.json").write_text(text)
    assert read(folder) == {}
