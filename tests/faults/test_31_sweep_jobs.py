"""Row 31: a job of a sweep that raises, exits, aborts or is killed costs only itself; the sweep can be resumed."""

import os
import signal
import time

import kit
import pytest


def sweep(words, *more) -> tuple[str, ...]:
    return (words[0], "-m", *words[1:], *more)


def states(out: str) -> list[str]:
    """What the table at the end of a sweep says of each job."""
    rows = out[out.rindex("score ") :].splitlines()[2:]
    return [" ".join(row.split()[2:-2]) for row in rows if row.split()[-1:] == ["s"]]


def by_seed(cwd) -> dict[str, object]:
    """The runs below cwd by their seeds."""
    folders = [path for path in cwd.glob("outputs/f/*") if (path / "spec.yaml").is_file()]
    seeds = [line for path in folders for line in (path / "spec.yaml").read_text().splitlines() if line[:5] == "seed:"]
    return dict(zip(seeds, folders, strict=True))


def lines(cwd, seed: int = 0) -> int:
    """How many records the run has."""
    folder = by_seed(cwd).get(f"seed: {seed}")
    file = None if folder is None else folder / "records.jsonl"
    return len(file.read_text().splitlines()) if file is not None and file.exists() else 0


def test_every_way_to_end_is_in_the_table_and_only_what_failed_runs_again(call, words, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_FAULT", "job.begin@2=raise,job.begin@3=exit:3,job.begin@4=abort,job.begin@5=kill")
    command = sweep(words, "seed=0,1,2,3,4,5")
    said = call(*command)
    assert said.code == 1
    assert states(said.out) == [
        "finished",
        "failed: internal error, RuntimeError: fault at job.begin",
        "exited with code 3",
        "killed by SIGABRT (exit code 134)",
        "killed by SIGKILL (exit code 137)",
        "finished",
    ]
    assert said.out.endswith("2 of 6 jobs finished; the same command again runs what is missing\n")
    runs = by_seed(tmp_path)
    assert sorted(runs) == ["seed: 0", "seed: 5"]
    assert kit.records(runs["seed: 0"]) == kit.records(whole)
    times = [(runs[seed] / "status.json").stat().st_mtime_ns for seed in runs]
    monkeypatch.delenv("CVRUN_FAULT")
    again = call(*command)
    assert (again.code, states(again.out)) == (0, ["finished"] * 6)
    assert [(runs[seed] / "status.json").stat().st_mtime_ns for seed in runs] == times


def test_the_status_of_a_killed_job_says_what_killed_it(call, words, whole, tmp_path, monkeypatch):
    # In the second epoch of three steps, each with one record.
    monkeypatch.setenv("CVRUN_FAULT", "record.write@5=SIGSEGV")
    said = call(*sweep(words, "seed=0,1"))
    assert said.code == 1
    assert states(said.out) == ["killed by SIGSEGV (exit code 139)"] * 2
    assert said.err.count("cvrun train: killed by SIGSEGV (exit code 139)\n") == 2
    for folder in by_seed(tmp_path).values():
        status = kit.status(folder)
        assert (status["state"], status["reason"]) == ("failed", "killed by SIGSEGV (exit code 139)")
        assert status["resumable"] is True
    monkeypatch.delenv("CVRUN_FAULT")
    assert states(call(*sweep(words, "seed=0,1")).out) == ["finished"] * 2
    assert kit.records(by_seed(tmp_path)["seed: 0"]) == kit.records(whole)


def test_fail_fast_starts_nothing_after_the_first_failure(call, words, tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_FAULT", "job.begin@2=raise")
    said = call(*sweep(words, "--fail-fast", "seed=0,1,2,3"))
    assert said.code == 1
    assert [state.partition(":")[0] for state in states(said.out)] == ["finished", "failed", *["not started"] * 2]
    assert sorted(by_seed(tmp_path)) == ["seed: 0"]


def test_fail_fast_is_refused_without_a_sweep(call, words, tmp_path):
    said = call(*words, "--fail-fast")
    assert said.code == 2
    assert said.err == "cvrun train: --fail-fast: expected -m as well; it ends a sweep at the first job that fails\n"
    assert by_seed(tmp_path) == {}


def test_a_killed_sweep_leaves_a_job_that_stops_by_itself_and_can_be_started_again(call, words, whole, tmp_path):
    command = sweep(words, "seed=0,1")
    driver = kit.Child(command, tmp_path, env={"CVRUN_FAULT": "record.write@5=hang:2"}, shared=True)
    driver.wait_for(lambda: lines(tmp_path) == 4)
    driver.send(signal.SIGKILL)
    assert driver.wait().code == -signal.SIGKILL
    said = call(*command)
    folder = by_seed(tmp_path)["seed: 0"]
    first, second = states(said.out)
    assert (said.code, second) == (1, "finished")
    assert "held by process" in first
    pid = int(first.partition("held by process ")[2].split()[0])
    assert pid != driver.pid
    end = time.monotonic() + 30
    while kit.status(folder)["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.02)
    assert kit.status(folder)["state"] == "interrupted"
    again = call(*command)
    assert (again.code, states(again.out)) == (0, ["finished"] * 2)
    assert kit.records(folder) == kit.records(whole)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("number", "group", "shared", "code"),
    [
        (signal.SIGTERM, False, True, 143),
        (signal.SIGUSR1, True, True, 143),
        (signal.SIGINT, True, True, 130),
        # Its own server is in the group as well, and must live until the job has said how it ended.
        (signal.SIGTERM, True, False, 143),
    ],
)
def test_a_signal_stops_the_job_at_a_step_and_ends_the_sweep(call, words, whole, tmp_path, number, group, shared, code):
    command = sweep(words, "seed=0,1")
    driver = kit.Child(command, tmp_path, env={"CVRUN_FAULT": "record.write@5=hang:1"}, shared=shared)
    driver.wait_for(lambda: lines(tmp_path) == 4)
    # Until it hangs in the fifth step.
    time.sleep(0.3)
    driver.send(number, group)
    said = driver.wait()
    assert (said.code, states(said.out)) == (code, ["interrupted", "not started"])
    assert "0 of 2 jobs finished" in said.out
    assert "Traceback" not in said.err
    folder = by_seed(tmp_path)["seed: 0"]
    status = kit.status(folder)
    # Had the job taken the signal twice, it would have quit at once, with the commit of step 3 as its last.
    assert (status["state"], status["step"]) == ("interrupted", 5)
    assert (folder / "checkpoints" / "step-00000005" / "manifest.json").is_file()
    assert call("resume", folder).code == 0
    assert kit.records(folder) == kit.records(whole)


def test_a_second_signal_ends_the_job_at_once_and_the_table_is_shown(words, tmp_path):
    driver = kit.Child(sweep(words, "seed=0,1"), tmp_path, env={"CVRUN_FAULT": "record.write@5=hang:40"}, shared=True)
    driver.wait_for(lambda: lines(tmp_path) == 4)
    driver.send(signal.SIGTERM)
    driver.wait_for(lambda: "once more to quit at once" in driver.err())
    driver.send(signal.SIGTERM)
    said = driver.wait(20)
    assert (said.code, states(said.out)) == (143, ["interrupted", "not started"])
    folder = by_seed(tmp_path)["seed: 0"]
    status = kit.status(folder)
    assert (status["state"], status["resumable"]) == ("interrupted", True)
    assert not (folder / "checkpoints" / "step-00000005").exists()
    assert status["reason"] == "stopped at once by a second signal"
