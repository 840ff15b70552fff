"""cvrun train -m: every job runs, one table, an exit code for all."""

import os
import signal

import pytest

from cvrun.command._sweep import Job, append, read, sweep_table
from cvrun.errors import StorageError
from cvrun.trainer import checkpoint

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


def test_the_same_command_runs_only_what_failed(call, tools, tmp_path, monkeypatch):
    words = ("train", "-m", *QUICK, "seed=0,1,2")
    real = checkpoint.commit

    def full(folder, kind, step, content):
        if kind == "step" and str(folder) in broken:
            raise StorageError(f"{folder}: cannot be written")
        return real(folder, kind, step, content)

    broken: list[str] = []
    monkeypatch.setattr(checkpoint, "commit", full)
    number = 0
    from cvrun.command import train

    execute_one = train._train

    def one(job):
        nonlocal number
        number += 1
        if number == 2:
            from cvrun.prepare import address

            broken.append(str(address(job.compose()).checkpoints))
        return execute_one(job)

    monkeypatch.setattr(train, "_train", one)
    said = call(*words)
    assert said.code == 1
    assert [row[2] for row in table(said.out)] == ["finished", "failed:", "finished"]
    runs = folders(tmp_path)
    before = {name: tools.files(folder) for name, folder in runs.items()}
    broken.clear()
    again = call(*words)
    assert again.code == 0
    assert [row[2] for row in table(again.out)] == ["finished"] * 3
    assert "the same command again" not in again.out
    after = {name: tools.files(folder) for name, folder in runs.items()}
    assert [name for name in after if after[name] != before[name]] == ["seed=1"]


def test_ctrl_c_ends_the_sweep(call, at_step, tools, tmp_path):
    def press(run, state, batch):
        os.kill(os.getpid(), signal.SIGINT)
        return at_step.real(run, state, batch)

    at_step(2, press)
    said = call("train", "-m", *QUICK, "seed=0,1")
    assert said.code == 130
    assert [row[2] for row in table(said.out)] == ["interrupted", "not"]
    at_step(None, None)
    assert call("train", "-m", *QUICK, "seed=0,1").code == 0
    assert {tools.status(folder)["state"] for folder in folders(tmp_path).values()} == {"finished"}


def test_a_choice_that_does_not_exist_is_found_before_the_first_job(call, tmp_path):
    said = call("train", "-m", *QUICK, "optimizer=sgd,sgdd")
    assert said.code == 2
    assert "did you mean 'sgd'?" in said.err
    assert not list(tmp_path.glob("outputs/run/*"))


def test_the_mode_can_be_asked_for_by_its_key(call):
    said = call("train", *QUICK, "hydra.mode=MULTIRUN", "optimizer.lr=0.1,-1")
    assert said.code == 1
    assert len(table(said.out)) == 2


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
