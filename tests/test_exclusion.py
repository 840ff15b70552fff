import numpy as np
import pytest

from cvrun.data import ImageForm, Manifest
from cvrun.data._hashed import hashed_name
from cvrun.errors import DataError
from cvrun.exclusion import exclusions, without
from cvrun.split import Split

IDS = ("a/1.png", "a/2.png", "=b.png", "'=b.png", "c.png")
MANIFEST = Manifest(
    ids=IDS,
    labels=np.zeros(5, np.int64),
    classes=("a",),
    form=ImageForm(1, 1, "stretch"),
    images=np.zeros((5, 1, 1, 1), np.uint8),
)


def read(tmp_path, text):
    path = tmp_path / "out.csv"
    path.write_text(text)
    return exclusions(MANIFEST, str(path))


def refused(tmp_path, text):
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    return str(caught.value).removeprefix(f"{tmp_path}/out.csv ")


def test_no_file_leaves_nothing_out():
    assert exclusions(MANIFEST, None) == {}


def test_images_have_a_reason(tmp_path):
    assert read(tmp_path, "path,reason\na/2.png,blurred\nc.png, torn \n") == {1: "blurred", 4: "torn"}


def test_columns_may_stand_in_any_order_beside_others(tmp_path):
    assert read(tmp_path, "who,reason,path\nme,blurred,c.png\n") == {4: "blurred"}


def test_cells_that_cvrun_has_written_are_read_back(tmp_path):
    # As in unreadable.csv: a quote in front of what a spreadsheet would run.
    assert read(tmp_path, "path,reason\n'=b.png,x\n''=b.png,y\n") == {2: "x", 3: "y"}
    assert read(tmp_path, "path,reason\n=b.png,x\n") == {2: "x"}


def test_what_a_run_with_hidden_names_has_written_is_read_as_well(tmp_path):
    hidden = hashed_name("c.png")
    assert read(tmp_path, f"path,reason\n{hidden},torn\na/1.png,blurred\n") == {4: "torn", 0: "blurred"}
    assert "stands in row 2 as well" in refused(tmp_path, f"path,reason\n{hidden},torn\nc.png,torn\n")


def test_home_is_expanded(tmp_path, monkeypatch):
    (tmp_path / "out.csv").write_text("path,reason\nc.png,torn\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert exclusions(MANIFEST, "~/out.csv") == {4: "torn"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,reason\nd.png,x\n", "row 2: 'd.png' is no image of the source, expected an id such as 'a/1.png'"),
        ("path,reason\nc.png,x\na/1.png, \n", "row 3: 'a/1.png' has no reason, expected why it is left out"),
        ("path,reason\nc.png,x\nc.png,y\n", "row 3: 'c.png' stands in row 2 as well, expected each image once"),
        ("path,why\nc.png,x\n", "row 1: column 'reason' is missing, expected it among: path, why"),
        (
            "path,reason\nd,x\nc.png,\ne,x\nf,x\ng,x\nh,x\n",
            "row 2: 'd' is no image of the source, expected an id such as 'a/1.png'; 6 rows are wrong:"
            " 2, 3, 4, 5, 6, ...",
        ),
    ],
)
def test_what_is_wrong_is_one_report(tmp_path, text, expected):
    assert refused(tmp_path, text) == expected


def test_positions_go_out_of_every_part():
    split = Split(train=np.array([0, 1]), val=np.array([2]), test=np.array([3]), out=np.array([4]))
    found = without(split, np.array([1, 3]))
    assert [part.tolist() for part in (*found.parts().values(), found.out)] == [[0], [2], [], [1, 3, 4]]
