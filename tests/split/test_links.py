"""Links that bring one file into two parts."""

import os

import numpy as np
import pytest

from cvrun.data import ImageForm, Manifest
from cvrun.errors import DataError
from cvrun.split import Split, checked
from cvrun.split._links import files_of, require_apart


@pytest.fixture
def linked(tmp_path):
    """Five files; "again" is the second one once more."""
    for name in "01234":
        (tmp_path / name).touch()
    os.link(tmp_path / "1", tmp_path / "again")
    names = ("0", "1", "2", "3", "4", "again")
    labels, form = np.zeros(6, np.int64), ImageForm(1, 1, "stretch")
    return Manifest(names, labels, ("a",), form, paths=tuple(tmp_path / name for name in names))


def test_names_and_files_of_rows(linked, tmp_path):
    assert files_of(linked, np.array([5, 0])) == (["again", "0"], [tmp_path / "again", tmp_path / "0"])
    inside = Manifest(("0",), np.zeros(1, np.int64), ("a",), linked.form, images=np.zeros((1, 1, 1, 1), np.uint8))
    assert files_of(inside, np.array([0])) == ((), ())
    require_apart({"train": files_of(inside, np.array([0])), "test": ((), ())})


def test_a5_a_link_into_the_test_part_is_found_by_whoever_opens_it(linked, monkeypatch):
    split = Split(train=np.array([0, 1]), val=np.array([2, 3]), test=np.array([4, 5]))
    looked_at = []
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **more: (looked_at.append(os.path.basename(path)), real(path))[1])
    assert checked(linked, split) is split
    assert sorted(looked_at) == ["0", "1", "2", "3"]
    with pytest.raises(DataError) as caught:
        require_apart({name: files_of(linked, rows) for name, rows in split.parts().items()})
    assert str(caught.value) == (
        "split: '1' in train and 'again' in test are one file (1 such), expected every file in one part;"
        " take the link out"
    )
