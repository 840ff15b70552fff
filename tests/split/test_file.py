import csv
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvrun.errors import DataError
from cvrun.split import Split
from cvrun.split._file import content, fingerprint, read

ODD = (
    "a,b.png",
    'say "x".png',
    "=1+1.png",
    "'=1.png",
    "''-.png",
    "'a.png",
    " lead.png",
    "caf\u00e9/\u732b;.png",
    "#x",
    "@z",
)


def split_of(count: int) -> Split:
    parts = [np.arange(count)[np.arange(count) % 4 == k].astype(np.int64) for k in range(4)]
    return Split(train=parts[0], val=parts[1], test=parts[2], out=parts[3])


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value)


def named(make: Any, ids: tuple[str, ...]) -> Any:
    return replace(make([0] * len(ids)), ids=ids)


def test_the_file_names_every_image_and_its_hash(make: Any, tmp_path: Path) -> None:
    lines = content(make([0] * 5), split_of(5)).decode().splitlines()
    assert lines[1:] == ["id,part", "0,train", "1,val", "2,test", "3,none", "4,train"]
    expected = hashlib.sha256(repr([("train", ["0", "4"]), ("val", ["1"]), ("test", ["2"])]).encode()).hexdigest()
    assert lines[0] == f"# cvrun split sha256={expected}"


def test_odd_names_are_read_back_as_they_are(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes(content(named(make, ODD), split_of(len(ODD))))
    assert list(read(path)) == list(ODD)
    with path.open(newline="") as file:
        cells = [row[0] for row in csv.reader(file)][2:]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(NAMES | st.text("'=+-@,\" ;", min_size=1, max_size=4), min_size=1, max_size=8, unique=True))
def test_any_name_is_read_back(make: Any, tmp_path_factory: Any, ids: list[str]) -> None:
    path = tmp_path_factory.mktemp("split") / "split.csv"
    path.write_bytes(content(named(make, tuple(ids)), split_of(len(ids))))
    assert read(path) == {name: ("train", "val", "test", "none")[i % 4] for i, name in enumerate(ids)}


@pytest.mark.parametrize(
    ("old", "new"), [("0,train", "0,val"), ("1,val\n", ""), ("2,test", "9,test"), ("4,train", "3,train")]
)
def test_an_edited_file_is_refused(make: Any, tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "split.csv"
    text = content(make([0] * 5), split_of(5)).decode()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new).replace("3,none\n", "" if new == "3,train" else "3,none\n"))
    assert "expected the same: it was edited; take the file that the run wrote" in refused(path)


def test_without_a_first_line_nothing_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("part,path,note\nTrain,a,x\nvalidation,b,y\ntest,c,\nnone,d,\n")
    assert read(path) == {"a": "train", "b": "val", "c": "test", "d": "none"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# cvrun split sha256=12\nid,part\na,train\n", "row 1: '# cvrun split sha256=12', expected # cvrun split"),
        ("id,part\na,train\nb,trian\nc,x\n", "row 3: part 'trian', expected one of train, val, test, none; 2 rows"),
        ("id,part\na,train\na,val\n", "row 3: 'a' stands twice, expected each image once"),
        ("id,fold\na,1\n", "row 1: column 'part' is missing, expected it among: id, fold"),
        ("id,part\na\n", "row 2: 1 cells, expected 2"),
        ("", "it is empty, expected a split file"),
        ('id,part\n"a,train\n', "not a CSV file"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(text)
    assert expected in refused(path)


def test_no_file(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory), expected a split file" in refused(tmp_path / "no.csv")


def test_the_fingerprint_depends_on_the_part_of_each_image() -> None:
    one = fingerprint({"train": ["a"], "val": ["b"], "test": []})
    assert one != fingerprint({"train": ["b"], "val": ["a"], "test": []})
    assert one != fingerprint({"train": ["a"], "val": ["b"], "test": ["c"]})
