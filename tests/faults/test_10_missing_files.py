"""Row 10: files and folders that are missing, closed or lead nowhere: one line with three names and a count; exit 3."""

import os
import shutil

import kit
import pytest


@pytest.fixture
def closable(tmp_path):
    """Skips where a file without any permission can be read, as root can."""
    (tmp_path / "closed").touch(0)
    if os.access(tmp_path / "closed", os.R_OK):
        pytest.skip("this user may read everything")


@pytest.fixture
def root(images, tmp_path):
    return shutil.copytree(images, tmp_path / "data")


@pytest.fixture
def refused(call, tmp_path):
    """Give the one line with which check and train refuse a data root, and see that nothing was written."""

    def refused(root, *more) -> str:
        lines = set()
        for command in ("check", "train"):
            said = call(command, *kit.QUICK, f"data.root={root}", *more)
            assert said.code == 3, said.err
            lines |= {line.removeprefix(f"cvrun {command}: ") for line in said.err.splitlines()}
        assert not (tmp_path / "outputs").exists()
        (line,) = lines
        return line

    return refused


def test_what_is_no_file_is_named_at_once(refused, root):
    (root / "ant/20.png").symlink_to("nothing.png")
    (root / "bee/20.png").symlink_to("20.png")
    os.mkfifo(root / "bee/21.png")
    shutil.rmtree(root / "dog")
    (root / "dog").mkdir()
    for i in range(3):
        (root / f"dog/{i}.png").symlink_to(root.parent / "gone" / f"{i}.png")
    assert refused(root) == (
        f"{root}: ant/20.png, bee/20.png, bee/21.png and 3 more: not a file, expected an image (6 such);"
        " a symbolic link may lead to nothing"
    )


def test_a_loop_of_folders_is_no_endless_search(refused, root):
    (root / "cat/again").symlink_to("..")
    assert refused(root).startswith(f"{root}/cat/again: a symbolic link that leads back to '{root}'")


def test_rows_without_a_file_are_counted(call, images, tmp_path):
    names = [f"{name}/{i:02d}.png" for name in kit.CLASSES for i in range(11)]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *(f"{name},{name[:3]}" for name in names)]))
    words = [word for word in kit.QUICK if word != "data=folder"]
    said = call("train", *words, "data=csv", f"data.root={images}", f"data.file={tmp_path}/t.csv")
    assert said.code == 3
    assert said.err == (
        f"cvrun train: {tmp_path}/t.csv row 12, column 'path': 'ant/10.png', expected an image file (No such file or"
        " directory); paths are relative to data.root; 4 defects in 4 rows: 12, 23, 34, 45\n"
    )
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("where", ["gone", "file"])
def test_a_root_that_is_none(refused, tmp_path, where):
    (tmp_path / "file").write_text("")
    fact = "does not exist" if where == "gone" else "is not a folder"
    assert refused(tmp_path / where) == f"data.root={tmp_path / where}: {fact}, expected the folder of the images"


@pytest.mark.usefixtures("closable")
def test_a_folder_that_is_closed(refused, root):
    (root / "bee").chmod(0)
    try:
        assert refused(root) == f"{root}/bee: cannot be read (Permission denied), expected a folder"
    finally:
        (root / "bee").chmod(0o700)


@pytest.mark.usefixtures("closable")
def test_a_file_that_is_closed_is_found_before_training(call, root, tmp_path):
    (root / "bee/00.png").chmod(0)
    said = call("train", *kit.QUICK, f"data.root={root}", "split.test=0")
    assert said.code == 3
    assert f"{root}/bee/00.png: cannot be decoded (Permission denied)" in said.err
    assert kit.status(kit.run_folder(tmp_path))["step"] == 0


def test_a_folder_that_is_closed_for_root_too(refused, root, monkeypatch):
    scandir = os.scandir

    def guarded(path):
        if str(path) == f"{root}/bee":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", guarded)
    assert refused(root) == f"{root}/bee: cannot be read (Permission denied), expected a folder"


def test_a_file_that_goes_after_the_plan_stands(call, root, tmp_path, monkeypatch):
    from cvrun.command import _execute

    prepare = _execute.prepare

    def and_lose(*arguments):
        prepared = prepare(*arguments)
        for i in range(10):
            (root / f"cat/{i:02d}.png").unlink()
        return prepared

    monkeypatch.setattr(_execute, "prepare", and_lose)
    said = call("train", *kit.QUICK, f"data.root={root}")
    assert said.code == 3
    assert "cat/" in said.err and "No such file or directory" in said.err
