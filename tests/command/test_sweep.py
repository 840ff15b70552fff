"""cvrun train -m: every job runs, one table, an exit code for all."""

import os
import signal
import statistics
import threading
import time

import pytest

from cvrun.command._sweep import Job, append, note_signal, noted_signal, read, sweep_table, sweeps

QUICK = ("model.width=4", "trainer.epochs=1", "trainer.batch_size=300", "workers=0")


def folders(root) -> dict[str, object]:
    """Each run of the sweep by what its overrides say last."""
    from cvrun.report.runs import find_runs

    return {run["overrides"][-1]: root / run["path"] for run in find_runs(root / "outputs")}


def table(out: str) -> list[list[str]]:
    """The rows of the table at the end of a sweep."""
    lines = out[out.rindex("score ") :].splitlines()
    return [line.split() for line in lines[2:] if line and "the same command" not in line]


def test_a_job_that_fails_does_not_stop_the_sweep(call, tools, tmp_path):
    words = ("train", "-m", *QUICK, "optimizer.lr=0.1,-1,1e30,0.2")
    said = call(*words)
    assert said.code == 1
    rows = table(said.out)
    assert [row[1] for row in rows] == ["optimizer.lr=0.1", "optimizer.lr=-1", "optimizer.lr=1e+30", "optimizer.lr=0.2"]
    assert [row[2] for row in rows] == ["finished", "failed:", "diverged:", "finished"]
    assert [row[0] == "-" for row in rows] == [False, True, True, False]
    assert all(row[-1] == "s" for row in rows)
    assert said.out.endswith("2 of 4 jobs finished; the same command again runs what is missing\n")
    assert "expected lr > 0" in said.err
    runs = folders(tmp_path)
    assert rows[0][0] == f"{tools.status(runs['optimizer.lr=0.1'])['score']:.4f}"
    assert tools.status(runs["optimizer.lr=1e+30"])["state"] == "diverged"
    # The sweep itself leaves nothing behind.
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["outputs"]

    good = tools.files(runs["optimizer.lr=0.1"]), tools.files(runs["optimizer.lr=0.2"])
    again = call(*words)
    assert again.code == 1
    assert (tools.files(runs["optimizer.lr=0.1"]), tools.files(runs["optimizer.lr=0.2"])) == good
    assert [row[:3] for row in table(again.out)] == [row[:3] for row in rows]


def test_the_best_score_is_said_to_be_the_best_of_several(call):
    said = call("train", "-m", *QUICK, "optimizer.lr=0.1,0.2", "seed=0,1")
    (line,) = (line for line in said.out.splitlines() if line.startswith("The best is run "))
    assert "the best of N = 4 runs (2 settings)" in line and "over the 180 images, with the predictions of all" in line
    assert line in call("runs").out
    assert "The best is" not in call("train", "-m", *QUICK, "seed=0").out


def test_the_same_command_runs_only_what_failed(call, tools, tmp_path, monkeypatch):
    words = ("train", "-m", *QUICK, "seed=0,1,2")
    monkeypatch.setenv("CVRUN_FAULT", "job.begin@2=enospc")
    said = call(*words)
    assert said.code == 1
    assert [row[2] for row in table(said.out)] == ["finished", "failed:", "finished"]
    assert "No space left on device" in said.out
    before = {name: tools.files(folder) for name, folder in folders(tmp_path).items()}
    assert sorted(before) == ["seed=0", "seed=2"]
    monkeypatch.delenv("CVRUN_FAULT")
    again = call(*words)
    assert again.code == 0
    assert [row[2] for row in table(again.out)] == ["finished"] * 3
    assert "the same command again" not in again.out
    after = {name: tools.files(folder) for name, folder in folders(tmp_path).items()}
    assert sorted(after) == ["seed=0", "seed=1", "seed=2"]
    assert {name: after[name] for name in before} == before


def test_ctrl_c_ends_the_sweep(call, tools, tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_FAULT", "record.write@3=hang:1")
    words = ("train", "-m", *QUICK, "trainer.log_every=1st", "seed=0,1")

    def press():
        tools.wait_for(lambda: [len(file.read_text()) for file in tmp_path.glob("outputs/run/*/records.jsonl")])
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    said = call(*words)
    finger.join()
    assert said.code == 130
    assert [row[2] for row in table(said.out)] == ["interrupted", "not"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    (folder,) = folders(tmp_path).values()
    assert (tools.status(folder)["state"], tools.status(folder)["step"]) == ("interrupted", 3)
    monkeypatch.delenv("CVRUN_FAULT")
    assert call(*words).code == 0
    assert {tools.status(folder)["state"] for folder in folders(tmp_path).values()} == {"finished"}


def test_a_signal_to_one_job_ends_that_job_alone(call, tools, tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_FAULT", "job.begin@2=SIGINT")
    said = call("train", "-m", *QUICK, "seed=0,1,2")
    assert said.code == 1
    assert [row[2] for row in table(said.out)] == ["finished", "interrupted", "finished"]


def test_a_job_gets_the_environment_and_the_folder_of_the_sweep(call, tmp_path, monkeypatch):
    """The process that it forks from was started earlier, with others."""
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path / "another"))
    assert call("train", "-m", *QUICK, "seed=0").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", "outputs"]


def test_a_choice_that_does_not_exist_is_found_before_the_first_job(call, tmp_path):
    said = call("train", "-m", *QUICK, "optimizer=sgd,sgdd")
    assert said.code == 2
    assert "did you mean 'sgd'?" in said.err
    assert not list(tmp_path.glob("outputs/run/*"))


def test_the_mode_can_be_asked_for_by_its_key(call):
    said = call("train", *QUICK, "hydra.mode=MULTIRUN", "optimizer.lr=0.1,-1")
    assert said.code == 1
    assert len(table(said.out)) == 2


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["-m", "a=1"], True),
        (["--multirun", "a=1"], True),
        (["hydra.mode=MULTIRUN"], True),
        (["++hydra.mode=multirun"], True),
        (["hydra.mode=RUN"], False),
        (["model=-m"], False),
        ([], False),
    ],
)
def test_a_sweep_is_told_from_a_single_run(words, wanted):
    assert sweeps(words) == wanted


def test_the_first_signal_in_the_file_counts_and_is_no_job(tmp_path):
    path = tmp_path / "jobs"
    path.touch()
    assert noted_signal(path) is None
    job = Job(0, ("seed=0",), 0.5, 1.0, "finished", 0)
    for line in (lambda: append(path, job), lambda: note_signal(path, 15), lambda: note_signal(path, 2)):
        line()
    assert (read(path), noted_signal(path)) == ([job], 15)


def test_jobs_survive_the_file_between_processes(tmp_path):
    path = tmp_path / "jobs"
    path.touch()
    jobs = [
        Job(1, ("seed=1", "a=b"), None, 2.5, "failed: no\nreally", 3),
        Job(0, ("seed=0", "a=b"), 0.5, 1.0, "finished", 0),
    ]
    for job in jobs:
        append(path, job)
    assert read(path) == [jobs[1], jobs[0]]


FOLDS = ("split=kfold", "split.folds=3")


def test_folds_end_with_their_mean(call, tmp_path):
    said = call("train", "-m", *QUICK, *FOLDS, "split.fold=0,1,2", "seed=0,1")
    assert said.code == 0
    found = {}
    for seed in ("seed=0", "seed=1"):
        scores = [run["score"] for run in _runs(tmp_path) if seed in run["overrides"]]
        spread = statistics.mean(scores), statistics.stdev(scores), min(scores), max(scores)
        found[seed] = ["3", *(f"{value:.4f}" for value in spread)]
    lines = [line.split() for line in said.out[said.out.rindex("setting ") :].splitlines()]
    assert {line[0]: line[2:] for line in lines if line[1:2] == ["val/accuracy"]} == found
    shown = call("runs", tmp_path / "outputs").out
    listed = [line.split()[-6:] for line in shown.splitlines() if "split=kfold" in line]
    assert sorted(row[1:] for row in listed if row[0] == "val/accuracy") == sorted(found.values())


def test_a_fold_that_fails_leaves_no_mean(call, monkeypatch):
    monkeypatch.setenv("CVRUN_FAULT", "job.begin@2=enospc")
    said = call("train", "-m", *QUICK, *FOLDS, "split.fold=0,1,2")
    assert said.code == 1
    assert "all jobs: fold 1 is missing, so there is no mean\n" in said.out
    assert "2 of 3" in said.out and "val/loss" not in said.out[said.out.rindex("setting ") :]


def _runs(root):
    from cvrun.report.runs import find_runs

    return find_runs(root / "outputs")


def test_the_table_names_only_what_differs(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    jobs = [Job(i, ("+exp=digits", f"seed={i}"), 0.25 * i, 1.0, "finished", 0) for i in range(2)]
    text = sweep_table(jobs)
    assert "exp" not in text
    assert [line.split() for line in text.splitlines()[3:]] == [
        ["0.0000", "seed=0", "finished", "1.0", "s"],
        ["0.2500", "seed=1", "finished", "1.0", "s"],
    ]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_long_reason_is_folded(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    jobs = [Job(i, (f"seed={i}",), None, 1.0, f"failed: {'why ' * 60}", 3) for i in range(2)]
    text = sweep_table(jobs)
    assert max(map(len, text.splitlines())) <= columns
    assert text.count("why") == 120
