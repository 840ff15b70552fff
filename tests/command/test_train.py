"""cvrun train: one folder a command, and what happens when the command comes again."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from cvrun.errors import StorageError
from cvrun.folder import RunFolder
from cvrun.trainer import checkpoint, commit

QUICK = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "workers=0")


def test_the_same_command_again_gives_the_stored_score_and_touches_nothing(call, tools, tmp_path):
    first = call("train", *QUICK)
    assert first.code == 0
    (folder,) = tmp_path.glob("outputs/run/*")
    before = tools.files(folder)
    second = call("train", *QUICK)
    assert second.code == 0
    assert tools.files(folder) == before
    score = f"{tools.status(folder)['score']:.4f}"
    assert f"val/accuracy {score}" in first.out
    assert f"val/accuracy {score}" in second.out
    assert "finished before" in second.out
    assert [path.name for path in tmp_path.glob("outputs/run/*")] == [folder.name]


def test_machine_keys_do_not_make_another_run(call, finished, tools):
    before = tools.files(finished)
    assert "finished before" in call("train", *QUICK, "workers=1", "device=cpu", "logger=jsonl").out
    assert tools.files(finished) == before


def test_results_go_to_standard_output_and_the_rest_to_standard_error(call):
    said = call("train", *QUICK)
    assert "val/accuracy" in said.out
    assert "monitor" not in said.out
    assert "monitor" in said.err
    assert said.err.count("epoch ") == 3
    assert all(line == line.rstrip() for line in (said.out + said.err).splitlines())
    assert "\n\n\n" not in said.out


def test_output_root_moves_everything(call, tmp_path):
    assert call("train", *QUICK, "output_root=elsewhere", "trainer.epochs=1").code == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["elsewhere"]


def test_interrupted_and_repeated_it_has_the_records_of_an_uninterrupted_run(call, interrupted, finished_once, tools):
    status = tools.status(interrupted)
    assert (status["state"], status["step"], status["resumable"]) == ("interrupted", 6, True)
    said = call("train", *QUICK)
    assert said.code == 0
    assert "going on from step 6" in said.err
    assert tools.records(interrupted) == tools.records(finished_once)
    same = checkpoint.read(interrupted / "checkpoints/step-00000012")["state"]["model"]
    theirs = checkpoint.read(finished_once / "checkpoints/step-00000012")["state"]["model"]
    assert all(torch.equal(same[name], theirs[name]) for name in theirs)


def test_a_finished_run_without_its_checkpoints_is_not_trained_again(call, finished, tools):
    for path in (finished / "checkpoints").rglob("*"):
        if path.is_file():
            path.unlink()
    for path in (finished / "checkpoints").iterdir():
        path.rmdir()
    before = tools.files(finished)
    assert "finished before" in call("train", *QUICK).out
    assert tools.files(finished) == before


def test_rerun_starts_afresh_and_keeps_the_earlier_run(call, finished, tools):
    before = tools.files(finished)
    said = call("train", *QUICK, "rerun=true")
    assert said.code == 0
    aside = finished.with_name(f"{finished.name}.1")
    assert aside.name in said.err
    assert tools.files(aside) == before
    assert tools.records(finished) == tools.records(aside)
    assert tools.status(finished)["updated"] > tools.status(aside)["updated"]
    assert "finished before" in call("train", *QUICK).out


def test_another_split_seed_is_another_run(call, finished, tools):
    before = tools.files(finished)
    assert call("train", *QUICK, "split.seed=1", "trainer.epochs=1").code == 0
    assert len(list(finished.parent.iterdir())) == 2
    assert tools.files(finished) == before


def add_a_file(root: Path):
    (root / "cat" / "20.png").write_bytes((root / "dog" / "00.png").read_bytes())


def change_a_label(root: Path):
    (root / "cat" / "00.png").rename(root / "dog" / "20.png")


@pytest.mark.parametrize("change", [add_a_file, change_a_label])
def test_changed_data_is_refused_with_counts(call, image_folder, tools, tmp_path, change):
    words = ("data=folder", f"data.root={image_folder}", "data.size=8", "trainer.epochs=1", "trainer.batch_size=8")
    assert call("train", *words, "model.width=4").code == 0
    (folder,) = tmp_path.glob("outputs/run/*")
    before = tools.files(folder)
    change(image_folder)
    said = call("train", *words, "model.width=4")
    assert said.code == 4
    assert len(said.err.splitlines()) == 1
    assert "1 added (" in said.err
    assert "rerun=true" in said.err
    assert call("eval", folder).code != 0
    assert tools.files(folder) == before


def test_a_damaged_commit_is_passed_over_with_a_warning(call, interrupted, finished_once, tools):
    tools.damage(interrupted / "checkpoints/step-00000006")
    said = call("train", *QUICK)
    assert said.code == 0
    assert "step-00000006" in said.err
    assert "trying the one before it" in said.err
    assert "going on from step 4" in said.err
    assert tools.records(interrupted) == tools.records(finished_once)


def test_with_every_commit_damaged_nothing_is_overwritten(call, interrupted, tools):
    for path in checkpoint.commits(interrupted / "checkpoints", "step"):
        tools.damage(path)
    commits, rows = tools.files(interrupted / "checkpoints"), tools.records(interrupted)
    said = call("train", *QUICK)
    assert said.code == 4
    assert "no intact checkpoint is left" in said.err
    assert (tools.files(interrupted / "checkpoints"), tools.records(interrupted)) == (commits, rows)


def test_a_damaged_plan_is_an_error_of_its_own(call, interrupted):
    (interrupted / "plan.yaml").write_text("training: [")
    said = call("train", *QUICK)
    assert said.code == 4
    assert "plan.yaml: damaged" in said.err


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_status_does_not_stop_a_run(call, interrupted, finished_once, tools, content):
    (interrupted / "status.json").write_text(content)
    assert call("train", *QUICK).code == 0
    assert tools.records(interrupted) == tools.records(finished_once)


def test_a_run_that_is_held_elsewhere_is_refused_by_name(call, interrupted, tools):
    before = tools.files(interrupted)
    with RunFolder(interrupted).hold():
        for said in (call("train", *QUICK), call("resume", interrupted), call("train", *QUICK, "rerun=true")):
            assert said.code == 2
            assert f"held by process {os.getpid()} on" in said.err
            assert len(said.err.splitlines()) == 1
    assert tools.files(interrupted) == before


def test_what_another_process_finished_meanwhile_is_not_trained_again(
    call, finished_once, tools, tmp_path, monkeypatch
):
    """The other process comes and goes between the first look at the folder and the lock."""
    import shutil

    from cvrun.command import _execute

    real, target = _execute.prepare, tmp_path / "outputs/run" / finished_once.name

    def slow(*arguments):
        shutil.copytree(finished_once, target)
        return real(*arguments)

    monkeypatch.setattr(_execute, "prepare", slow)
    assert "finished before" in call("train", *QUICK).out
    assert tools.files(target) == tools.files(finished_once)


def test_a_loss_that_is_not_finite_ends_the_run_and_is_not_committed(call, at_step, tools, tmp_path):
    at_step(5, lambda run, state, batch: at_step.real(run, state, batch) * torch.nan)
    said = call("train", *QUICK)
    assert said.code == 5
    assert "train/loss=nan" in said.err
    assert "optimizer.lr" in said.err
    (folder,) = tmp_path.glob("outputs/run/*")
    assert (tools.status(folder)["state"], tools.status(folder)["step"]) == ("diverged", 4)
    assert [path.name for path in checkpoint.commits(folder / "checkpoints", "step")] == ["step-00000004"]
    assert "nan" not in (folder / "records.jsonl").read_text().lower()


def test_a_learning_rate_that_diverges_has_its_own_exit_code(call, tools, tmp_path):
    said = call("train", *QUICK, "optimizer.lr=1e30")
    assert said.code == 5
    (folder,) = tmp_path.glob("outputs/run/*")
    assert tools.status(folder)["state"] == "diverged"
    assert not checkpoint.commits(folder / "checkpoints", "step")


def test_a_full_disk_keeps_the_last_commit(call, finished_once, tools, tmp_path, monkeypatch):
    real = commit._write

    def full(path, data):
        if "00000008" in str(path):
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(commit, "_write", full)
    said = call("train", *QUICK)
    assert said.code == 7
    assert "No space left on device" in said.err
    assert "are free" in said.err
    (folder,) = tmp_path.glob("outputs/run/*")
    assert tools.status(folder)["state"] == "failed"
    assert checkpoint.read(folder / "checkpoints/step-00000004")["state"]["step"] == 4
    assert not list((folder / "checkpoints").glob(".tmp*"))
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert call("train", *QUICK).code == 0
    assert tools.records(folder) == tools.records(finished_once)


def test_records_that_cannot_be_written_end_the_run(call, monkeypatch):
    from cvrun.logger import jsonl

    def full(self, record):
        raise StorageError("records.jsonl: cannot be written")

    monkeypatch.setattr(jsonl.Jsonl, "write", full)
    assert call("train", *QUICK).code == 7


def test_files_that_are_no_images_are_named_and_counted(call, image_folder, tools, tmp_path):
    for path in (image_folder / "cat").iterdir():
        path.write_bytes(b"no image")
    words = ("data=folder", f"data.root={image_folder}", "data.size=8", "trainer.batch_size=8")
    said = call("train", *words)
    assert said.code == 3
    assert "cat/" in said.err
    # 16 of the 20 cats are in the training part, which has 48 of the 60 images.
    assert "16 of 48 train images cannot be used" in said.err
    (folder,) = tmp_path.glob("outputs/run/*")
    assert tools.status(folder)["state"] == "failed"


def test_sigterm_during_start_up_is_noted(call, tools, tmp_path, monkeypatch):
    from cvrun.command import _execute

    monkeypatch.setattr(_execute, "build_run", lambda *arguments: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    assert call("train", *QUICK).code == 143
    assert signal.getsignal(signal.SIGTERM) == before
    (folder,) = tmp_path.glob("outputs/run/*")
    assert tools.status(folder)["state"] == "interrupted"
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert call("resume", folder).code == 0


def test_ctrl_c_during_start_up_is_noted(call, tools, tmp_path, monkeypatch):
    from cvrun.command import _execute

    monkeypatch.setattr(_execute, "build_run", lambda *arguments: os.kill(os.getpid(), signal.SIGINT))
    assert call("train", *QUICK).code == 130
    (folder,) = tmp_path.glob("outputs/run/*")
    assert tools.status(folder)["state"] == "interrupted"


def test_an_error_in_the_program_is_one_line(call, monkeypatch):
    from cvrun.command import _execute

    monkeypatch.setattr(_execute, "build_run", lambda *arguments: 1 / 0)
    said = call("train", *QUICK)
    assert said.code == 1
    assert "internal error, ZeroDivisionError" in said.err
    assert "CVRUN_TRACEBACK=1" in said.err


def test_wrong_keys_and_values_are_one_line_each(call, tmp_path):
    for words, part in (
        (["optimizer.lrr=1"], "did you mean 'lr'"),
        (["optimizer.lr=-1"], "expected lr > 0"),
        (["trainer.batch_size=5000"], "1437 training images"),
        (["model=convnett"], "convnet"),
        (["data=folder"], "data.root"),
        (["data=folder", "data.root=/nowhere"], "/nowhere"),
    ):
        said = call("train", *words)
        assert said.code in (2, 3)
        assert part in said.err
        assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_the_saved_status_is_json_without_nan(finished_once):
    def refuse(word):
        raise AssertionError(word)

    content = json.loads((finished_once / "status.json").read_text(), parse_constant=refuse)
    assert content["state"] == "finished"
    assert content["metrics"]["val/accuracy"] == content["score"]
