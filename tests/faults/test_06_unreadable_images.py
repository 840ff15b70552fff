"""Row 6: images that cannot be read are named before training; `skip_unreadable` leaves some out of training alone."""

import csv
import shutil

import kit
import pytest
import yaml

WORDS = (*(word for word in kit.QUICK if not word.startswith(("split", "augment"))), "split=official", "augment=none")
"""Augmentation is keyed by the position of an image, which moves when a file before it is deleted."""

BAD = ("ant/03.png", "bee/00.png", "bee/07.png", "dog/09.png")


@pytest.fixture
def root(images, tmp_path):
    """40 images for training, two of each class for validation and for the test."""
    root = tmp_path / "data"
    shutil.copytree(images, root / "train")
    kit.make_images(root / "val", 2, seed=1)
    kit.make_images(root / "test", 2, seed=2)
    return root


def damage(root, names=BAD):
    """Cut the first file to nothing, the second in half; the others become text, the last one with a bomb's header."""
    for number, name in enumerate(names):
        path = root / "train" / name
        content = path.read_bytes()
        path.write_bytes((b"", content[: len(content) // 2], b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40))[number % 4])


def words(root, *more):
    return ("train", *WORDS, f"data.root={root}", *more)


def test_three_are_named_and_all_are_counted_before_a_step(call, root):
    damage(root)
    said = call(*words(root))
    (line,) = [line for line in said.err.splitlines() if line.startswith("cvrun train: ")]
    assert said.code == 3
    assert line.startswith(f"cvrun train: {root}/train/ant/03.png: cannot be decoded (")
    assert line.endswith("; also train/bee/00.png, train/bee/07.png; 4 of 40 train images cannot be used")
    folder = kit.run_folder(root.parent)
    assert kit.status(folder)["state"] == "failed" and kit.status(folder)["step"] == 0
    assert not (folder / "checkpoints").exists()


def test_what_is_left_out_is_as_if_it_were_not_there(call, root, tmp_path):
    damage(root)
    said = call(*words(root, "skip_unreadable=0.1"))
    assert said.code == 0, said.err
    names = [f"train/{name}" for name in BAD]
    line = "4 of 40 training images cannot be used and are left out, see unreadable.csv: "
    assert said.err.count(f"warning: {line}{', '.join(names[:3])} and 1 more") == 1
    folder = kit.run_folder(tmp_path)
    with (folder / "unreadable.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == names
    assert [list(row) for row in rows] == [["path", "reason"]] * 4
    assert all(row["reason"].startswith("cannot be decoded (") for row in rows)
    plan = yaml.safe_load((folder / "plan.yaml").read_text())
    assert plan["data"]["counts"]["train"] == [9, 8, 10, 9]
    assert (plan["training"]["steps_per_epoch"], plan["training"]["total_steps"]) == (36 // 8, 3 * (36 // 8))
    # The same without these files.
    for name in BAD:
        (root / "train" / name).unlink()
    (tmp_path / "other").mkdir()
    assert kit.run(words(root), tmp_path / "other").code == 0
    assert kit.records(folder) == kit.records(kit.run_folder(tmp_path / "other"))


def test_a_resume_leaves_the_same_out_and_a_change_is_seen(root, tmp_path):
    damage(root)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    assert kit.run(words(root, "skip_unreadable=0.1"), whole).code == 0
    assert kit.run(words(root, "skip_unreadable=0.1"), cut, faults="checkpoint.before_rename@3=kill").code == 137
    folder = kit.run_folder(cut)
    listed = (folder / "unreadable.csv").read_bytes()
    shutil.copy(root / "train/ant/00.png", tmp_path / "kept.png")
    (root / "train/ant/00.png").write_bytes(b"")
    said = kit.run(("resume", folder), cut)
    assert said.code == 3 and "5 of 40 training images cannot be used, skip_unreadable=0.1 allows 4" in said.err
    shutil.copy(tmp_path / "kept.png", root / "train/ant/00.png")
    shutil.copy(tmp_path / "kept.png", root / "train" / BAD[0])
    said = kit.run(("resume", folder), cut)
    assert said.code == 4 and "1 added (train/ant/03.png)" in said.err
    (root / "train" / BAD[0]).write_bytes(b"")
    assert kit.run(("resume", folder), cut).code == 0
    assert (folder / "unreadable.csv").read_bytes() == listed
    assert kit.records(folder) == kit.records(kit.run_folder(whole))


def test_above_the_budget_nothing_is_begun(call, root, tmp_path):
    damage(root)
    said = call(*words(root, "skip_unreadable=0.099"))
    assert said.code == 3
    assert said.err.startswith(f"cvrun train: {root}/train/ant/03.png: cannot be decoded (")
    assert said.err.endswith(
        "; also train/bee/00.png, train/bee/07.png; 4 of 40 training images cannot be used,"
        " skip_unreadable=0.099 allows 3\n"
    )
    assert not (tmp_path / "outputs").exists()


def test_a_class_may_not_vanish(call, root, tmp_path):
    damage(root, [f"cat/{i:02d}.png" for i in range(10)])
    said = call(*words(root, "skip_unreadable=0.3"))
    assert said.code == 3 and "no training image of class 'cat' (1 of 4 classes)" in said.err
    assert not (tmp_path / "outputs").exists()


def test_validation_and_test_images_are_never_left_out(call, root, tmp_path):
    (root / "test/bee/01.png").write_bytes(b"")
    assert call(*words(root, "skip_unreadable=0.5")).code == 0
    said = call("test", kit.run_folder(tmp_path), "--unseal")
    assert said.code == 3
    assert said.err.startswith(f"cvrun test: {root}/test/bee/01.png: cannot be decoded (")
    assert said.err.endswith("; 1 of 8 test images cannot be used\n")
    (root / "val/dog/00.png").write_bytes(b"")
    said = call(*words(root, "skip_unreadable=0.5", "seed=1"))
    assert said.code == 3 and said.err.endswith("; 1 of 8 val images cannot be used\n")


def test_a_wrong_configuration_is_found_before_anything_is_decoded(call, root):
    damage(root)
    said = call(*words(root, "skip_unreadable=0.1", "trainer.batch_size=41"))
    assert said.code == 2 and "expected at most the 40 training images" in said.err
    said = call(*words(root, "skip_unreadable=0.1", "trainer.batch_size=37"))
    assert said.code == 2 and "expected at most the 36 training images" in said.err
