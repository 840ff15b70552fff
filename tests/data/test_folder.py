import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvrun.data import Manifest
from cvrun.data.folder import Config, build
from cvrun.errors import DataError


def load(root: Path, classes: tuple[str, ...] | None = None, extra: Path | None = None) -> Manifest:
    return build(Config(str(root), 8, 3, "crop", classes, None if extra is None else str(extra)))


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_a_folder_is_a_class(tmp_path: Path) -> None:
    manifest = load(touch(tmp_path, "dog/b.png", "cat/z.JPG", "cat/deep/er/a.tiff", "cat/readme.txt", "note.txt"))
    assert manifest.ids == ("cat/deep/er/a.tiff", "cat/z.JPG", "dog/b.png")
    assert manifest.classes == ("cat", "dog")
    assert manifest.labels.tolist() == [0, 0, 1]
    assert manifest.paths == tuple(tmp_path / name for name in manifest.ids)
    assert manifest.official is None
    assert manifest.groups is None


@pytest.mark.parametrize(
    "suffix", ["jpg", "jpeg", "png", "bmp", "webp", "tif", "tiff", "gif", "ppm", "pgm", "PNG", "Jpeg"]
)
def test_every_suffix_counts(tmp_path: Path, suffix: str) -> None:
    assert len(load(touch(tmp_path, f"a/x.{suffix}"))) == 1


def test_hidden_entries_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "a/.hidden.png", ".ipynb_checkpoints/2.png", "a/.ipynb_checkpoints/3.png", ".x.png")
    manifest = load(tmp_path)
    assert manifest.ids == ("a/1.png",)
    assert manifest.classes == ("a",)


def test_explicit_classes_fix_the_order(tmp_path: Path) -> None:
    manifest = load(touch(tmp_path, "cat/1.png", "dog/1.png"), ("dog", "cat"))
    assert manifest.classes == ("dog", "cat")
    assert manifest.labels.tolist() == [1, 0]


def test_a_folder_that_is_no_explicit_class_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="class 'catt', expected one of data.classes .*did you mean 'cat'"):
        load(touch(tmp_path, "catt/1.png"), ("cat", "dog"))


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_split_folders_are_official(tmp_path: Path, val: str) -> None:
    manifest = load(touch(tmp_path, "train/a/1.png", "train/b/1.png", f"{val}/b/2.png", "test/c/3.png"))
    assert manifest.ids == ("test/c/3.png", "train/a/1.png", "train/b/1.png", f"{val}/b/2.png")
    assert manifest.official == ("test", "train", "train", "val")
    assert manifest.classes == ("a", "b", "c")
    assert manifest.labels.tolist() == [2, 0, 1, 1]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    manifest = load(touch(tmp_path, "car/1.png", "train/1.png"))
    assert manifest.classes == ("car", "train")
    assert manifest.official is None


def test_a_class_may_be_empty_in_one_part(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/1.png")
    (tmp_path / "val/b").mkdir()
    assert len(load(tmp_path)) == 3


@pytest.mark.parametrize(
    ("names", "empty", "expected"),
    [
        (["a/1.png"], "b", "class folder 'b' holds no image"),
        ([], "a", "class folder 'a' holds no image"),
        ([], "", "holds no class folder"),
        (["a/1.txt"], "", "class folder 'a' holds no image"),
        (["a/1.png", "x.png"], "", "x.png: an image outside of a class folder, expected one folder a class"),
        (["train/x.png"], "", "train/x.png: an image outside of a class folder"),
        (["train/a/1.png", "other/a/1.png"], "", "'train' stands beside 'other'"),
        (["test/a/1.png", "val/a/1.png"], "", "holds test, val, expected train"),
        (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], "", "at most one of val"),
    ],
)
def test_other_layouts_say_what_is_expected(tmp_path: Path, names: list[str], empty: str, expected: str) -> None:
    touch(tmp_path, *names)
    (tmp_path / empty).mkdir(exist_ok=True)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/1.png", "root/a/0.png")
    (tmp_path / "root/b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/a/2.png").symlink_to(tmp_path / "elsewhere/1.png")
    assert load(tmp_path / "root").ids == ("a/0.png", "a/2.png", "b/1.png")


@pytest.mark.parametrize(("link", "target"), [("a/up", ".."), ("a/self", "a"), ("a/deep/up", "a/deep"), ("loop", ".")])
def test_a_loop_of_links_is_an_error(tmp_path: Path, link: str, target: str) -> None:
    touch(tmp_path, "root/a/deep/1.png")
    (tmp_path / "root" / link).symlink_to(tmp_path / "root" / target)
    with pytest.raises(DataError, match="a symbolic link that leads back"):
        load(tmp_path / "root")


def test_two_links_that_lead_to_each_other_are_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "x/1.png", "y/1.png", "root/a/1.png")
    (tmp_path / "x/to_y").symlink_to(tmp_path / "y")
    (tmp_path / "y/to_x").symlink_to(tmp_path / "x")
    (tmp_path / "root/b").symlink_to(tmp_path / "x")
    with pytest.raises(DataError, match="a symbolic link that leads back"):
        load(tmp_path / "root")


def test_links_to_nothing_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png")
    (tmp_path / "a/2.png").symlink_to("missing.png")
    (tmp_path / "a/3.png").symlink_to("3.png")
    os.mkfifo(tmp_path / "a/4.png")
    with pytest.raises(DataError, match=r": a/2\.png, a/3\.png, a/4\.png: not a file, expected an image \(3 such\)"):
        load(tmp_path)


def test_a_link_to_itself_that_is_no_image_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png")
    (tmp_path / "a/loop").symlink_to("loop")
    assert len(load(tmp_path)) == 1


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.png", "b/1.png")
    scandir = os.scandir

    def guarded(path: str) -> Any:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", guarded)
    with pytest.raises(DataError, match=r"/b: cannot be read \(Permission denied\)"):
        load(tmp_path)


@pytest.mark.parametrize("name", [b"a/x\x1b[31m.png", b"a/x\n.png", b"a/x\xff.png", b"\x07/1.png"])
def test_names_that_break_a_terminal_are_refused(tmp_path: Path, name: bytes) -> None:
    path = os.fsencode(tmp_path) + b"/" + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb"):
        pass
    with pytest.raises(DataError, match="control character") as caught:
        load(tmp_path)
    assert str(caught.value).isprintable()


def test_names_in_any_script_are_fine(tmp_path: Path) -> None:
    names = ("\u00c4mter", "\u732b")
    assert load(touch(tmp_path, *(f"{name}/gr\u00f6\u00dfe \uff11\u30001.png" for name in names))).classes == names


def test_five_thousand_files_are_all_listed(tmp_path: Path) -> None:
    touch(tmp_path, "one.txt")
    for label in range(10):
        (tmp_path / str(label)).mkdir()
        for i in range(500):
            os.link(tmp_path / "one.txt", tmp_path / str(label) / f"{i}.png")
    manifest = load(tmp_path)
    assert manifest.counts(np.arange(5000)).tolist() == [500] * 10


@pytest.mark.slow
def test_the_cifar_tree(cifar10_folder: Path) -> None:
    manifest = load(cifar10_folder)
    assert len(manifest) == 50_000
    assert manifest.counts(np.arange(50_000)).tolist() == [5000] * 10
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    assert manifest.classes == names


def test_a14_images_of_the_extra_folder_are_synthetic_and_stand_behind_the_others(tmp_path: Path) -> None:
    root = touch(tmp_path / "root", "cat/1.png", "dog/2.png")
    extra = touch(tmp_path / "made", "cat/1.png", "cat/0.png")
    plain, manifest = load(root), load(root, extra=extra)
    assert plain.synthetic is None
    assert manifest.ids == ("cat/1.png", "dog/2.png", "extra/cat/0.png", "extra/cat/1.png")
    assert manifest.labels.tolist() == [0, 1, 0, 0]
    assert manifest.synthetic is not None
    assert manifest.synthetic.tolist() == [False, False, True, True]
    assert manifest.paths == (root / "cat/1.png", root / "dog/2.png", extra / "cat/0.png", extra / "cat/1.png")
    assert manifest.official is None


def test_a14_extra_images_are_of_the_train_part(tmp_path: Path) -> None:
    root = touch(tmp_path / "root", "train/a/1.png", "train/b/1.png", "test/a/2.png")
    manifest = load(root, extra=touch(tmp_path / "made", "b/1.png"))
    assert manifest.official == ("test", "train", "train", "train")
    assert manifest.ids[-1] == "extra/b/1.png"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("made", r"class folder 'catt', expected one of cat, dog; did you mean 'cat'\?"),
        ("root", "expected folders apart"),
        ("root/cat", "expected folders apart|outside of a class folder"),
        ("above", "expected folders apart"),
        ("link", "expected folders apart"),
        ("part", "expected folders apart"),
        ("empty", "holds no class folder"),
        ("missing", r"data\.extra=.*missing: does not exist, expected the folder of the images"),
    ],
)
def test_extra_folders_that_are_refused(tmp_path: Path, extra: str, expected: str) -> None:
    root = touch(tmp_path / "root", "cat/1.png", "dog/2.png")
    touch(tmp_path / "made", "catt/1.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "above").mkdir()
    (tmp_path / "above/all").symlink_to(root)
    (tmp_path / "part").mkdir()
    (tmp_path / "part/dog").symlink_to(root / "dog")
    with pytest.raises(DataError, match=expected):
        load(root, extra=tmp_path / extra)


def test_a_class_called_extra_would_share_ids_with_the_extra_folder(tmp_path: Path) -> None:
    root = touch(tmp_path / "root", "extra/cat/1.png", "cat/1.png")
    assert len(load(root)) == 2
    with pytest.raises(DataError, match="a class folder 'extra', expected another name beside data.extra"):
        load(root, extra=touch(tmp_path / "made", "cat/1.png"))
