"""data.csv, and what is said when the data has changed."""

import csv
import hashlib

import numpy as np
import pytest
from PIL import Image

from cvrun import config
from cvrun.command import _data_list
from cvrun.errors import CheckpointError
from cvrun.folder import RunFolder
from cvrun.prepare import prepare

PARTS = ("train", "val", "test")
WORDS = ["data=folder", "data.size=8", "split=official", "model.width=4", "trainer.batch_size=2"]


@pytest.fixture
def root(tmp_path):
    """An official split: 4 images of each of two classes for training, 2 for validation, 2 for the test."""
    pixels = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    for part, count in zip(PARTS, (4, 2, 2), strict=True):
        for label in ("cat", "dog"):
            folder = tmp_path / "images" / part / label
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "images"


@pytest.fixture
def prepared(root, tmp_path):
    """Lists and splits the images as they are now."""

    def prepared(*words):
        return prepare(config.compose([*WORDS, f"data.root={root}", *words]), RunFolder(tmp_path / "run"))

    return prepared


@pytest.fixture
def listed(prepared):
    """The path of data.csv of a run that started."""
    now = prepared()
    _data_list.write(now.plan.folder.data, now)
    return now.plan.folder.data


def test_training_and_validation_are_listed_and_of_the_test_the_names_alone(root, listed):
    with listed.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16 and list(rows[0]) == ["id", "part", "label", "group", "content"]
    for row in rows:
        path = root / row["id"]
        part = path.relative_to(root).parts[0]
        known = (path.parent.name, str(path.stat().st_size)) if part != "test" else ("", "")
        assert (row["part"], row["label"], row["content"], row["group"]) == (part, *known, "")


def test_embedded_images_are_listed_by_their_bytes(tmp_path):
    from sklearn.datasets import load_digits

    now = prepare(config.compose(["trainer.batch_size=8", "model.width=4"]), RunFolder(tmp_path / "run"))
    _data_list.write(now.plan.folder.data, now)
    with now.plan.folder.data.open(newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    number = int(now.split.train[3])
    row = rows[now.manifest.ids[number]]
    assert row["label"] == str(load_digits().target[number]) and row["part"] == "train"
    assert row["content"] == hashlib.sha256(now.manifest.images[number].tobytes()).hexdigest()[:12]
    assert _data_list.difference(now.plan.folder.data, now) == ""


def add(root):
    (root / "train" / "cat" / "new.png").write_bytes((root / "train" / "cat" / "0.png").read_bytes())


def add_two_to_the_test(root):
    for name in ("x.png", "y.png"):
        (root / "test" / "dog" / name).write_bytes((root / "train" / "cat" / "0.png").read_bytes())


def remove(root):
    (root / "val" / "dog" / "1.png").unlink()


def change(root):
    with (root / "train" / "dog" / "2.png").open("ab") as file:
        file.write(b"\x00\x00")


def move(root):
    (root / "train" / "dog" / "3.png").rename(root / "test" / "dog" / "3.png")


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (add, "1 added (train/cat/new.png)"),
        (remove, "1 removed (val/dog/1.png)"),
        (change, "1 changed (train/dog/2.png: content SIZE -> SIZE+2)"),
        (move, "1 added (test/dog/3.png), 1 removed (train/dog/3.png)"),
        (add_two_to_the_test, "2 added (test/dog/x.png)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_changed_is_counted_and_named(root, prepared, listed, action, words):
    size = (root / "train" / "dog" / "2.png").stat().st_size
    action(root)
    expected = words.replace("SIZE+2", str(size + 2)).replace("SIZE", str(size))
    assert _data_list.difference(listed, prepared()) == expected


def test_several_kinds_are_named_together(root, prepared, listed):
    size = (root / "train" / "dog" / "2.png").stat().st_size
    for action in (add, remove, change):
        action(root)
    expected = "1 added (train/cat/new.png), 1 removed (val/dog/1.png), "
    assert _data_list.difference(listed, prepared()) == (
        f"{expected}1 changed (train/dog/2.png: content {size} -> {size + 2})"
    )


def test_a_split_that_is_cut_anew_moves_images_and_adds_none(tmp_path):
    words = ["model.width=4", "trainer.batch_size=8"]
    before, after = (
        prepare(config.compose([*words, f"split.seed={seed}"]), RunFolder(tmp_path / "run")) for seed in (0, 1)
    )
    _data_list.write(before.plan.folder.data, before)
    then = {i: part for part in PARTS for i in before.split.parts()[part].tolist()}
    now = {i: part for part in PARTS for i in after.split.parts()[part].tolist()}
    moved = sum(then[i] != now[i] for i in then)
    said = _data_list.difference(before.plan.folder.data, after)
    assert said.startswith(f"{moved:,} in another part (") and "added" not in said and moved > 100


def test_a_label_and_a_group_that_changed_are_said(root, tmp_path):
    table = tmp_path / "images" / "manifest.csv"
    paths = sorted(path.relative_to(root).as_posix() for path in root.glob("*/*/*.png"))
    rows = [f"{path},{path.split('/')[1]},{path.split('/')[0]},slide {i}" for i, path in enumerate(paths)]
    table.write_text("path,label,split,slide\n" + "\n".join(rows))
    words = ["data=csv", "data.split_column=split", "data.group_column=slide", *WORDS[1:], f"data.root={root}"]
    folder = RunFolder(tmp_path / "run")
    before = prepare(config.compose(words), folder)
    _data_list.write(folder.data, before)
    assert _data_list.difference(folder.data, before) == ""
    at = next(i for i, path in enumerate(paths) if path == "train/cat/1.png")
    rows[at] = f"train/cat/1.png,dog,train,slide {at}"
    table.write_text("path,label,split,slide\n" + "\n".join(rows))
    said = _data_list.difference(folder.data, prepare(config.compose(words), folder))
    assert said == "1 changed (train/cat/1.png: label cat -> dog)"
    rows[at] = "train/cat/1.png,cat,train,=slide"
    table.write_text("path,label,split,slide\n" + "\n".join(rows))
    said = _data_list.difference(folder.data, prepare(config.compose(words), folder))
    assert said == f"1 changed (train/cat/1.png: group slide {at} -> '=slide)"


def odd_name(root):
    for name in ("=1+1,2.png", "a\"b'.png", "n\xe4.png"):
        (root / "train" / "cat" / name).write_bytes((root / "train" / "cat" / "0.png").read_bytes())


def test_odd_names_come_back_as_they_are(root, prepared):
    try:
        odd_name(root)
    except OSError:
        pytest.skip("this file system takes no such names")
    now = prepared()
    _data_list.write(now.plan.folder.data, now)
    assert _data_list.difference(now.plan.folder.data, prepared()) == ""


@pytest.mark.parametrize("content", [None, b"", b"id,part\n", b'id,part,label,group,content\na,b\n"', b"\xff\x00"])
def test_without_a_list_the_parts_are_counted(root, prepared, listed, content):
    earlier = {"data": {"data_fingerprint": "", "counts": {"train": [4, 4], "val": [2, 2], "test": [2, 2]}}}
    earlier["data"]["classes"] = ["cat", "dog"]
    listed.unlink()
    if content is not None:
        listed.write_bytes(content)
    add(root)
    with pytest.raises(CheckpointError) as caught:
        _data_list.require_same(prepared(), earlier)
    counts = "images then {'train': 8, 'val': 4, 'test': 4}, now {'train': 9, 'val': 4, 'test': 4}"
    assert f"the data changed since this run was started: {counts}; rerun=true" in str(caught.value)
    earlier["data"]["classes"] = ["dog", "cat"]
    with pytest.raises(CheckpointError, match="classes then .'dog', 'cat'., now .'cat', 'dog'."):
        _data_list.require_same(prepared(), earlier)


def test_the_same_data_is_no_error(prepared, listed):
    now = prepared()
    data = now.plan.data
    same = {"data_fingerprint": data.data_fingerprint, "split_fingerprint": data.split_fingerprint}
    _data_list.require_same(now, {"data": same})
    with pytest.raises(CheckpointError, match="the split changed"):
        _data_list.require_same(now, {"data": {**same, "split_fingerprint": "", "counts": {}, "classes": []}})
