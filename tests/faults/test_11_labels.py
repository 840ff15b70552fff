"""Row 11: bad labels end in exit 3 with their rows; an unknown class gets no index; no image is in two parts."""

import os
import shutil

import kit
import pytest
import yaml

TABLE = [word for word in kit.QUICK if word != "data=folder" and not word.startswith("split.")]
FOLDERS = [word for word in kit.QUICK if not word.startswith("split.")]


@pytest.fixture
def table(images, tmp_path):
    """Writes a table with a header and 40 sound rows, then more rows; gives the words of train that choose it."""

    def write(*more, classes="[ant,bee,cat,dog]"):
        names = [f"{name}/{i:02d}.png" for name in kit.CLASSES for i in range(10)]
        rows = [f"{name},{name[:3]},{'train' if int(name[4:6]) < 8 else 'val'}" for name in names]
        (tmp_path / "t.csv").write_text("\n".join(["path,label,part", *rows, *more]) + "\n")
        own = [
            f"data.root={images}",
            f"data.file={tmp_path}/t.csv",
            "data.split_column=part",
            f"data.classes={classes}",
        ]
        return ("train", *TABLE, "data=csv", "split=official", *own)

    return write


@pytest.fixture
def refused(call, tmp_path):
    def refused(words) -> str:
        said = call(*words)
        assert said.code == 3, said.err
        (line,) = said.err.splitlines()
        assert not (tmp_path / "outputs").exists()
        return line.removeprefix("cvrun train: ")

    return refused


# One of a kind, each in a row of its own.
DEFECTS = {
    "ant/00.png": ",ant,val",
    "NaN": "x1.png,NaN,train",
    "unknown class": "x2.png,bea,train",
    "unknown part": "x3.png,bee,trian",
    "outside": "../../etc/passwd,cat,train",
    "twice": "bee/03.png,bee,val",
}


def test_six_defects_are_listed_with_their_rows(refused, table, tmp_path):
    # x1 to x3 are no files either: nine defects.
    line = refused(table(*DEFECTS.values()))
    assert line.startswith(f"{tmp_path}/t.csv row 42, column 'path': '', expected the path of an image; ")
    assert line.endswith("; 9 defects in 6 rows: 42, 43, 44, 45, 46, ...")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("ant/00.png,ant,train", "column 'path': 'ant/00.png', expected each image once, it stands in row 2 as well"),
        ("ant/../ant/00.png,ant,train", "expected a path below data.root, without '..'"),
        ("/etc/passwd,ant,train", "expected a path below data.root, without '..'"),
        ("new.png,NaN,train", "column 'label': 'NaN', expected a class name (nan is what an empty cell becomes)"),
        ("new.png,,train", "column 'label': '', expected a class name"),
        ("new.png,bea,train", "column 'label': 'bea', expected one of data.classes (ant, bee, cat, dog); did you mean"),
        ("new.png,4,train", "column 'label': '4', expected one of data.classes (ant, bee, cat, dog)"),
        ("new.png,ant,3", "column 'part': '3', expected one of train, val, valid, validation, test"),
        ("out.png,ant,train", "expected a path below data.root, its symbolic link leads elsewhere"),
        ("away/x.png,ant,train", "expected a path below data.root, its symbolic link leads elsewhere"),
        ("new.png\x00,ant,train", "expected text without control characters, at most 4096 of it"),
        (f"{'a' * 5000}.png,ant,train", "expected text without control characters, at most 4096 of it"),
        ("new.png,ant", "'new.png,ant', expected 3 values, got 2"),
    ],
)
def test_each_defect_names_its_row_and_rule(refused, table, images, tmp_path, row, expected):
    root = shutil.copytree(images, tmp_path / "root")
    shutil.copy(root / "ant/00.png", root / "new.png")
    (tmp_path / "x.png").write_bytes(b"")
    (root / "out.png").symlink_to(tmp_path / "x.png")
    (root / "away").symlink_to(tmp_path)
    line = refused((*table(row), f"data.root={root}"))
    assert line.startswith(f"{tmp_path}/t.csv row 42") and expected in line


def test_a_table_is_not_read_for_ever(refused, table, monkeypatch):
    monkeypatch.setattr("cvrun.data._table.MAX_ROWS", 30)
    assert "t.csv: more than 30 rows, expected fewer" in refused(table())


def test_a_class_that_only_validation_has_gets_no_index(refused, table, images, tmp_path):
    root = shutil.copytree(images, tmp_path / "root")
    shutil.copy(root / "ant/00.png", root / "new.png")
    expected = "split: no training image of class 'bea' (1 of 5 classes), expected at least one a class"
    assert expected in refused((*table("new.png,bea,val", classes="null"), f"data.root={root}"))


@pytest.fixture
def parts(images, tmp_path):
    """Images of the same names as official parts."""
    shutil.copytree(images, tmp_path / "data" / "train")
    kit.make_images(tmp_path / "data" / "val", seed=1)
    return tmp_path / "data"


def folders(root):
    return ("train", *FOLDERS, "split=official", f"data.root={root}", "trainer.epochs=1")


def test_validation_may_lack_a_class_and_notebooks_leave_nothing(call, parts, images, tmp_path):
    shutil.rmtree(parts / "val/bee")
    for folder in (parts, parts / "train", parts / "val", parts / "train/ant"):
        shutil.copytree(images / "ant", folder / ".ipynb_checkpoints")
    said = call(*folders(parts))
    assert said.code == 0, said.err
    data = yaml.safe_load((kit.run_folder(tmp_path) / "plan.yaml").read_text())["data"]
    assert data["classes"] == ["ant", "bee", "cat", "dog"]
    assert data["counts"] == {"train": [10, 10, 10, 10], "val": [10, 0, 10, 10], "test": [0, 0, 0, 0]}


def test_validation_may_not_have_a_class_more(refused, parts, images):
    shutil.copytree(images / "ant", parts / "val/aphid")
    line = refused(folders(parts))
    assert "split: no training image of class 'aphid' (1 of 5 classes), expected at least one a class" in line
    explicit = (*folders(parts), "data.classes=[ant,bee,cat,dog]")
    assert "class 'aphid', expected one of data.classes (ant, bee, cat, dog)" in refused(explicit)


@pytest.mark.parametrize("link", ["soft", "hard", "folder"])
def test_one_file_in_two_parts_is_refused_whatever_its_names(refused, parts, link):
    if link == "folder":
        shutil.rmtree(parts / "val/dog")
        (parts / "val/dog").symlink_to(parts / "train/dog")
    else:
        (parts / "val/dog/04.png").unlink()
        make = os.symlink if link == "soft" else os.link
        make(parts / "train/dog/07.png", parts / "val/dog/04.png")
    first, second, count = ("00", "00", 10) if link == "folder" else ("07", "04", 1)
    line = refused(folders(parts))
    # Which of the ten pairs comes first is up to the disk.
    assert f"({count} such), expected every file in one part; take the link out" in line
    if link != "folder":
        pair = f"split: 'train/dog/{first}.png' in train and 'val/dog/{second}.png' in val are one file"
        assert line.startswith(pair)


def test_one_file_twice_in_one_part_is_the_users_choice(call, parts):
    os.symlink(parts / "train/dog/07.png", parts / "train/dog/10.png")
    assert call(*folders(parts)).code == 0
