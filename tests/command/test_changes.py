"""What may be asked of a run that goes on, and how it takes effect. tests/faults/test_27 has every key."""

import json
import shutil

import pytest
import yaml

from cvrun.command import _changes

QUICK = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "workers=0")
"""The command line of the fixtures `finished` and `interrupted`: 12 steps, 4 an epoch."""


def changed(folder):
    if not (folder / "changes.jsonl").exists():
        return []
    return [
        (row["step"], row["changes"]) for row in map(json.loads, (folder / "changes.jsonl").read_text().splitlines())
    ]


def plan(folder):
    return yaml.safe_load((folder / "plan.yaml").read_text())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=1"], "seed=1: seed is frozen"),
        (["optimizer=adam"], "optimizer=adam: optimizer is frozen"),
        (["scheduler.warmup=3ep"], "scheduler.warmup=3ep: scheduler.warmup is frozen"),
        (["rerun=true"], "rerun=true: rerun is read when a run starts"),
        (["trainer.epochs=2", "sead=1"], "sead: unknown key, cvrun options lists the groups; did you mean 'seed'?"),
        (["trainer.epoch=4"], "trainer.epoch: unknown key, expected one of epochs"),
        (["trainer=3"], "trainer=3: expected one of its keys; such as trainer.epochs=VALUE"),
        (["optimizer.lrr=3"], "optimizer.lrr: unknown key"),
        (["trainer.epochs=4.5"], "trainer.epochs=4.5: expected a whole number"),
        (["trainer.epochs=4,5"], "trainer.epochs=4,5: expected KEY=VALUE with one value"),
        (["trainer.epochs"], "trainer.epochs: expected KEY=VALUE"),
        (["early_stopping.patience=3"], "this run's early_stopping has no patience; it is early_stopping=never"),
        (
            ["early_stopping=patienc"],
            "early_stopping=patienc: expected one of never, patience; did you mean 'patience'?",
        ),
        (["early_stopping=3"], "early_stopping=3: expected GROUP=NAME"),
        (["tta=[hflip]"], "tta=[hflip]: expected GROUP=NAME"),
        (["logger=[cvs]"], "logger=cvs: expected one of console, csv"),
        (["data.root=/x"], "data.root=/x: this run's data has no root"),
        (["trainer.epochs=1"], "trainer.epochs=1: 1 x 4 = 4 steps, and 12 are done, expected at least 3 epochs"),
        (["trainer.accumulate=301"], "trainer.accumulate=301: expected a number of parts"),
        (["--allow-lr-change"], "--allow-lr-change: expected optimizer.lr=VALUE beside it"),
        (["optimizer.lr=-1", "--allow-lr-change"], "optimizer.lr=-1.0: expected lr > 0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_is_one_line_and_leaves_no_trace(call, finished, tools, words, message):
    before = tools.files(finished)
    said = call("resume", finished, *words)
    assert said.code == 2 and said.out == ""
    assert message in said.err and len(said.err.splitlines()) == 1
    assert tools.files(finished) == before


def test_the_least_number_of_epochs_counts_what_is_begun(call, interrupted, tools):
    # 6 steps are done, of 4 an epoch.
    assert "and 6 are done, expected at least 2 epochs" in call("resume", interrupted, "trainer.epochs=1").err
    assert call("resume", interrupted, "trainer.epochs=2").code == 0
    assert (tools.status(interrupted)["step"], tools.status(interrupted)["reason"]) == (8, "all 8 steps are done")
    assert changed(interrupted) == [(6, {"trainer.epochs": [3, 2]})]


def test_a_value_that_it_has_already_is_no_change(call, finished, tools):
    before = tools.files(finished)
    said = call("resume", finished, "trainer.epochs=3", "early_stopping=never", "optimizer.lr=0.1")
    assert said.code == 0 and "finished before" in said.out
    assert tools.files(finished) == before


def test_plan_and_list_of_runs_follow_and_the_spec_stays(call, finished, tools):
    spec, start = (finished / "spec.yaml").read_bytes(), plan(finished)
    said = call("resume", finished, "trainer.epochs=4", "tta.merge=max", "tta=hflip")
    assert said.code == 0
    assert (finished / "spec.yaml").read_bytes() == spec
    assert changed(finished) == [
        (12, {"trainer.epochs": [3, 4], "tta": [{"option": "none"}, {"option": "hflip", "merge": "max"}]})
    ]
    now = plan(finished)
    assert now["training"].pop("total_steps") == 16 and start["training"].pop("total_steps") == 12
    expected = ["model.width=4", "trainer.batch_size=300", "trainer.epochs=4", "tta=hflip", "tta.merge=max"]
    assert now.pop("overrides") == expected and start.pop("overrides")
    assert now == start
    assert "trainer.epochs=4 tta=hflip tta.merge=max" in call("runs").out
    log = (finished / "log.txt").read_text()
    assert "changed: trainer.epochs 3 -> 4\n" in log and "changed: tta none -> hflip (merge=max)\n" in log
    # The summary of a run with test-time augmentation has both columns, and eval follows without being told.
    assert "with tta" in said.out and "with tta" in call("eval", finished).out


def test_a_finished_run_without_more_steps_is_finished_anew(call, finished, tools):
    before = tools.status(finished)
    assert call("resume", finished, "tta=hflip").code == 0
    after = tools.status(finished)
    assert (after["state"], after["step"], after["score"]) == ("finished", 12, before["score"])
    assert {f"val/tta/{name.partition('/')[2]}" for name in before["metrics"]} <= set(after["metrics"])
    rows = tools.records(finished)
    assert [row["step"] for row in rows if "best/step" in row] == [12]


def test_a_run_that_stopped_early_goes_on_when_nothing_stops_it(call, tools, tmp_path):
    # The rate is so small that no score changes: stopped at the second evaluation.
    words = (*QUICK, "early_stopping=patience", "early_stopping.patience=1", "optimizer.lr=1e-30")
    assert call("train", *words).code == 0
    (folder,) = tmp_path.glob("outputs/run/*")
    assert (tools.status(folder)["step"], tools.status(folder)["reason"]) == (8, "early stopping")
    said = call("resume", folder, "trainer.epochs=4")
    assert "early stopping still holds, so nothing more is trained" in said.err
    assert (tools.status(folder)["step"], tools.status(folder)["reason"]) == (8, "early stopping")
    assert call("resume", folder, "early_stopping.patience=2").code == 0
    assert (tools.status(folder)["step"], tools.status(folder)["reason"]) == (12, "early stopping")
    assert call("resume", folder, "early_stopping=never").code == 0
    assert (tools.status(folder)["step"], tools.status(folder)["reason"]) == (16, "all 16 steps are done")
    assert [step for step, _ in changed(folder)] == [8, 8, 12]
    assert "finished before" in call("train", *words).out


def test_a_new_learning_rate_is_the_peak_from_there_on(call, finished, tools):
    said = call("resume", finished, "optimizer.lr=0.01", "trainer.epochs=4", "--allow-lr-change")
    assert said.code == 0 and changed(finished)[0][1]["optimizer.lr"] == [0.1, 0.01]
    # scheduler=cosine: at the last of 16 steps a hundredth of the peak.
    assert tools.records(finished)[-2]["train/lr"] == pytest.approx(0.01 * 0.01, rel=1e-9)


def test_machine_keys_of_the_command_line_hold_beside_what_changed(call, interrupted, tools):
    assert call("resume", interrupted, "trainer.epochs=4", "workers=1", "logger=[csv]").code == 0
    assert tools.status(interrupted)["step"] == 16 and (interrupted / "records.csv").exists()
    assert list(changed(interrupted)[0][1]) == ["trainer.epochs"]
    assert "finished before" in call("train", *QUICK, "workers=2").out


def test_rerun_starts_as_the_command_line_says(call, finished, tools):
    assert call("resume", finished, "trainer.epochs=4").code == 0
    assert call("train", *QUICK, "rerun=true").code == 0
    assert tools.status(finished)["total_steps"] == 12 and changed(finished) == []
    assert changed(finished.with_name(f"{finished.name}.1")) == [(12, {"trainer.epochs": [3, 4]})]


@pytest.mark.parametrize("crash", ["write", "write_atomic"])
def test_a_crash_while_it_takes_effect_leaves_a_run_that_goes_on(call, finished, tools, monkeypatch, crash):
    """Before changes.jsonl is written nothing has changed; after that everything has, whatever plan.yaml says."""

    def die(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_changes, crash, die)
    call("resume", finished, "trainer.epochs=4")
    monkeypatch.undo()
    assert tools.status(finished)["state"] == "interrupted"
    assert call("resume", finished).code == 0
    took = crash == "write_atomic"
    assert changed(finished) == ([(12, {"trainer.epochs": [3, 4]})] if took else [])
    assert tools.status(finished)["step"] == plan(finished)["training"]["total_steps"] == (16 if took else 12)


def test_a_start_that_fails_leaves_a_finished_run_finished(call, finished, tools, monkeypatch):
    from cvrun.command import _execute
    from cvrun.errors import DataError

    def fail(*arguments):
        raise DataError("an image: cannot be read")

    before = tools.status(finished)
    monkeypatch.setattr(_execute, "build_run", fail)
    assert call("resume", finished, "trainer.epochs=4").code == 3
    assert tools.status(finished) == before and changed(finished) == []


def test_a_run_without_checkpoints_cannot_be_made_longer(call, finished, tools):
    shutil.rmtree(finished / "checkpoints")
    before = tools.files(finished)
    said = call("resume", finished, "trainer.epochs=4")
    assert said.code == 4 and "no checkpoint is left, nothing to go on from" in said.err
    assert tools.files(finished) == before


def test_a_run_that_lost_all_after_a_change_does_not_start_over_in_silence(call, interrupted, tools, at_step):
    def stop(run, state, batch):
        raise KeyboardInterrupt

    at_step(9, stop)
    assert call("resume", interrupted, "trainer.epochs=4").code == 130
    at_step(None, None)
    shutil.rmtree(interrupted / "checkpoints")
    said = call("train", *QUICK)
    assert said.code == 4 and "nothing to go on from" in said.err


def test_a_damaged_commit_after_a_change_is_said(call, finished, tools, at_step):
    def stop(run, state, batch):
        raise KeyboardInterrupt

    at_step(13, stop)
    assert call("resume", finished, "trainer.epochs=4").code == 130
    at_step(None, None)
    tools.damage(finished / "checkpoints/step-00000012")
    said = call("resume", finished)
    assert said.code == 0
    assert "warning: what changed at step 12 holds earlier than before: the steps from 8 on" in said.err
    assert tools.status(finished)["step"] == 16


@pytest.mark.parametrize("command", ["resume", "eval", "train"])
def test_damaged_changes_are_refused(call, finished, tools, command):
    (finished / "changes.jsonl").write_text('{"time": "t", "step": 12, "changes": {"seed": [0, 1]}}\n')
    before = tools.files(finished)
    said = call(command, *(QUICK if command == "train" else [finished]))
    assert said.code == 4 and "changes.jsonl, line 1: damaged (seed cannot change)" in said.err
    assert tools.files(finished) == before


def test_another_process_that_changes_the_run_meanwhile_is_noticed(call, finished, tools, monkeypatch):
    real = _changes.with_changes

    def with_changes(spec, folder, changes):
        found = real(spec, folder, changes)
        folder.changes.write_text('{"time": "t", "step": 12, "changes": {"trainer.epochs": [3, 9]}}\n')
        return found

    from cvrun.command import _execute

    monkeypatch.setattr(_execute, "with_changes", with_changes)
    said = call("resume", finished, "trainer.epochs=4")
    assert said.code == 2 and "another process changed this run meanwhile" in said.err
    assert tools.status(finished)["step"] == 12


def test_a_run_that_never_began_takes_changes_from_its_start(call, interrupted, tools):
    shutil.rmtree(interrupted / "checkpoints")
    assert call("resume", interrupted, "trainer.epochs=1").code == 0
    assert changed(interrupted) == [(0, {"trainer.epochs": [3, 1]})]
    assert tools.status(interrupted)["step"] == 4
    assert plan(interrupted)["training"]["total_steps"] == 4
