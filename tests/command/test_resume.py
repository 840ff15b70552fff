"""cvrun resume: bring an interrupted run to its end, or make it longer (test_changes.py has what may change)."""

import shutil


def test_it_ends_as_an_uninterrupted_run(call, interrupted, finished_once, tools):
    said = call("resume", interrupted)
    assert said.code == 0
    assert "going on from step 6" in said.err
    assert "finished" in said.out
    assert tools.records(interrupted) == tools.records(finished_once)


def test_a_finished_run_gives_its_score_and_stays(call, finished, tools):
    before = tools.files(finished)
    said = call("resume", finished)
    assert said.code == 0
    assert f"{tools.status(finished)['score']:.4f}" in said.out
    assert tools.files(finished) == before


def test_a_folder_that_was_moved_goes_on(call, interrupted, finished_once, tools, tmp_path):
    moved = tmp_path / "elsewhere" / "my-run"
    moved.parent.mkdir()
    interrupted.rename(moved)
    assert call("resume", moved, "workers=1").code == 0
    assert tools.records(moved) == tools.records(finished_once)
    assert not interrupted.exists()


def test_a_frozen_key_is_refused(call, interrupted, tools):
    before = tools.files(interrupted)
    said = call("resume", interrupted, "optimizer.momentum=0.5")
    assert said.code == 2
    assert "optimizer.momentum is frozen" in said.err and "cvrun train" in said.err
    assert tools.files(interrupted) == before


def test_it_may_become_longer_wherever_the_words_stand(call, finished, tools):
    said = call("resume", "--allow-lr-change", "optimizer.lr=0.05", finished, "trainer.epochs=4")
    assert said.code == 2 and "optimizer.lr=0.05: no such run" in said.err
    assert call("resume", "--allow-lr-change", finished, "optimizer.lr=0.05", "trainer.epochs=4").code == 0
    assert tools.status(finished)["step"] == 16


def test_help_lists_what_may_change_and_what_moves_the_work(call):
    text = " ".join(call("resume", "--help").out.split())
    allowed, _, free = text.partition("moves the work")
    assert all(
        key in allowed for key in ("trainer.epochs", "trainer.eval_every", "early_stopping", "tta", "optimizer.lr")
    )
    assert all(key in free for key in ("device", "workers", "data.root", "logger", "--allow-lr-change"))
    assert "trainer.batch_size" not in text and "seed" not in text


def test_data_that_moved_is_found_by_its_new_root(call, image_folder, at_step, tools, tmp_path):
    import os
    import signal

    def press(run, state, batch):
        os.kill(os.getpid(), signal.SIGTERM)
        return at_step.real(run, state, batch)

    at_step(2, press)
    words = ("data=folder", f"data.root={image_folder}", "data.size=8", "trainer.batch_size=16", "trainer.epochs=2")
    assert call("train", *words, "model.width=4").code == 143
    at_step(None, None)
    (folder,) = tmp_path.glob("outputs/run/*")
    image_folder.rename(tmp_path / "moved")
    said = call("resume", folder)
    assert said.code == 3
    assert "does not exist" in said.err
    assert tools.status(folder)["state"] == "interrupted"
    assert call("resume", folder, f"data.root={tmp_path / 'moved'}").code == 0
    assert tools.status(folder)["state"] == "finished"


def test_wrong_folders_are_named(call, finished, tmp_path):
    assert "required: run; cvrun resume --help says more\n" in call("resume").err
    for path, part in ((tmp_path / "nowhere", "no such run"), (finished / "checkpoints", "not a run")):
        said = call("resume", path)
        assert said.code == 2
        assert part in said.err


def test_a_spec_that_is_no_yaml_is_an_error(call, finished, tools):
    for content in (b"seed: [", b"\xff\xfe", b"- 1", b"", b"seed: 0"):
        (finished / "spec.yaml").write_bytes(content)
        before = tools.files(finished)
        said = call("resume", finished)
        assert said.code == 2, content
        assert len(said.err.splitlines()) == 1
        assert tools.files(finished) == before


def test_an_edited_spec_of_a_run_that_never_began_is_refused(call, finished, tools):
    shutil.rmtree(finished / "checkpoints")
    (finished / "status.json").unlink()
    (finished / "spec.yaml").write_text((finished / "spec.yaml").read_text().replace("\nseed: 0\n", "\nseed: 5\n"))
    before = tools.files(finished)
    assert call("resume", finished).code == 4
    assert tools.files(finished) == before
