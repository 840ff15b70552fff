"""Row 2: a kill while a checkpoint is written leaves the one before, which is chosen; leftovers are removed later."""

import kit
import pytest

from cvrun.trainer import checkpoint, commit

POINTS = (
    "checkpoint.copied",
    "checkpoint.mid_write",
    "checkpoint.before_manifest",
    "checkpoint.before_rename",
    "checkpoint.after_rename",
    "checkpoint.before_prune",
    "checkpoint.mid_prune",
)


def visit(point: str) -> int:
    """The visit in the third commit of a state: a commit writes two files, and the third prunes the first."""
    return {"checkpoint.mid_write": 5, "checkpoint.mid_prune": 1}.get(point, 3)


@pytest.mark.parametrize("point", POINTS)
def test_the_commit_before_is_whole_and_the_run_ends_the_same(words, whole, tmp_path, point):
    # An evaluation commits best weights as well, so none happens until the end.
    often = (*words, "trainer.save_every=1st", "trainer.eval_every=9st")
    assert kit.run(often, tmp_path, f"{point}@{visit(point)}=kill").code == 137
    folder = kit.run_folder(tmp_path)
    kept = checkpoint.commits(folder / "checkpoints", "step")
    for path in kept:
        commit.read(path)
    there = {"checkpoint.after_rename", "checkpoint.before_prune", "checkpoint.mid_prune"}
    assert [checkpoint.step_of(path) for path in kept][:2] == ([3, 2] if point in there else [2, 1])
    left = list((folder / "checkpoints").glob(".tmp-*"))
    inside = {"checkpoint.mid_write", "checkpoint.before_manifest", "checkpoint.before_rename"}
    assert len(left) == (1 if point in inside else 0)
    said = kit.run(often, tmp_path)
    assert said.code == 0, said.err
    assert f"going on from step {checkpoint.step_of(kept[0])}" in said.err
    assert not list((folder / "checkpoints").glob(".tmp-*"))
    assert (folder / "checkpoints" / commit.POINTER).read_text() == "step-00000009\n"
    assert weights(folder) == weights(whole)


def weights(folder):
    """The final weights alone: the plain run of `whole` evaluates more often, so its best is another."""
    from cvrun.trainer.digest import digest

    return digest(checkpoint.read(checkpoint.commits(folder / "checkpoints", "step")[0])["state"]["model"])


def test_a_kill_between_best_weights_and_the_state_that_names_them(words, whole, tmp_path):
    # The first evaluation commits best weights (visit 1) and then the state (visit 2).
    assert kit.run(words, tmp_path, "checkpoint.after_rename@1=kill").code == 137
    folder = kit.run_folder(tmp_path)
    assert [path.name for path in checkpoint.commits(folder / "checkpoints", "best")] == ["best-00000003"]
    assert not checkpoint.commits(folder / "checkpoints", "step")
    assert kit.run(words, tmp_path).code == 0
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]
    assert kit.records(folder) == kit.records(whole)


def test_a_kill_while_a_commit_is_replaced_leaves_one_of_the_two(words, whole, tmp_path):
    """Stopped in the first evaluation, step 3 is committed; gone on with, it is committed again, evaluated."""
    assert kit.run(words, tmp_path, "evaluate.batch=SIGTERM").code == 143
    folder = kit.run_folder(tmp_path)
    (only,) = checkpoint.commits(folder / "checkpoints", "step")
    assert checkpoint.read(only)["state"]["evaluated"] == 0
    # The second commit of this process, after the best weights.
    assert kit.run(words, tmp_path, "checkpoint.after_rename@2=kill").code == 137
    (only,) = checkpoint.commits(folder / "checkpoints", "step")
    assert checkpoint.read(only)["state"]["evaluated"] == 3
    assert len(list((folder / "checkpoints").glob(".tmp-*"))) == 1
    assert kit.run(words, tmp_path).code == 0
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]
    assert kit.records(folder) == kit.records(whole)


def test_two_folders_change_their_names_in_one_operation(tmp_path, monkeypatch):
    from pathlib import Path

    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text(name)
    # No moment without the old one: nothing is renamed away.
    monkeypatch.setattr(Path, "rename", lambda *arguments: pytest.fail("a rename of its own"))
    commit._put(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old" / "content").read_text() == "new"
    assert (tmp_path / "new" / "content").read_text() == "old"
