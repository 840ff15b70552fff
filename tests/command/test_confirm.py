"""cvrun confirm: the best settings with new seeds."""

import json
import os
import signal
import statistics
import threading
import time

import pytest


def new(tmp_path):
    return sorted((tmp_path / "outputs").glob("run-confirm/*"))


def test_a_dry_run_lists_the_runs_and_trains_none(call, finished, tmp_path):
    said = call("confirm", "outputs", "--seeds", "2", "--dry-run")
    rows = [line.split() for line in said.out.splitlines()[2:]]
    assert said.code == 0 and [row[1:4] for row in rows] == [
        ["new", str(n), f"outputs/run/{finished.name}"] for n in (1, 2)
    ]
    assert new(tmp_path) == [] and all(row[0].startswith("outputs/run-confirm/") for row in rows)
    found = json.loads(call("confirm", "outputs", "--seeds", "2", "--dry-run", "--json").out)
    assert [row["path"] for row in found] == [row[0] for row in rows]


def test_new_seeds_are_trained_once_and_the_same_command_goes_on(call, finished, tmp_path, tools):
    said = call("confirm", "outputs", "--top", "1", "--seeds", "2")
    assert said.code == 0 and len(new(tmp_path)) == 2
    statuses = [tools.status(path) for path in new(tmp_path)]
    assert [status["state"] for status in statuses] == ["finished"] * 2
    scores = [status["score"] for status in statuses]
    numbers = said.out.splitlines()[4].split()
    picked = tools.status(finished)["score"]
    wanted = [f"{picked:.4f}", "1", "2", f"{statistics.fmean(scores):.4f}", f"{statistics.stdev(scores):.4f}"]
    assert numbers[2:7] == wanted and "2 seeds, fewer than 3" in said.out
    before = {path: (path / "status.json").stat().st_mtime_ns for path in new(tmp_path)}
    more = json.loads(call("confirm", "outputs", "--top", "1", "--seeds", "3", "--json").out)
    assert len(new(tmp_path)) == 3
    assert {path: (path / "status.json").stat().st_mtime_ns for path in before} == before
    (setting,) = more["settings"]
    assert setting["n"] == 3 and [row["seed"] for row in setting["scores"]] == [1, 2, 3]
    assert sorted(row["score"] for row in setting["scores"][:2]) == sorted(scores)
    # The new runs are listed as seeds of one setting; the one that was picked is not among them.
    assert " 3  " in next(line for line in call("runs", "outputs").out.splitlines() if "val/accuracy" in line)


def test_openings_of_a_test_set_are_counted_with_those_of_the_sweep(call, finished, tmp_path):
    assert call("confirm", "outputs", "--seeds", "1").code == 0
    assert call("test", finished, "--unseal").code == 0
    (again,) = new(tmp_path)
    said = call("test", again, "--unseal")
    assert said.code == 2 and "another model on it needs a reason" in said.err


def test_runs_that_fail_are_named_and_the_exit_code_says_so(call, image_folder, tmp_path):
    words = ["data=folder", f"data.root={image_folder}", "data.size=8", "model.width=4", "trainer.epochs=1"]
    assert call("train", *words, "trainer.batch_size=8", "split.val=0.2", "workers=0").code == 0
    image_folder.rename(tmp_path / "elsewhere")
    said = call("confirm", "outputs", "--seeds", "1")
    assert said.code == 1 and "1 of 1 runs have not finished; the same command again goes on" in said.err
    assert "the order is not known" in said.out
    again = call("confirm", "outputs", "--seeds", "1", f"data.root={tmp_path / 'elsewhere'}")
    assert again.code == 0 and "one setting" in again.out


def test_ctrl_c_ends_it_and_the_same_command_goes_on(call, finished, tools, tmp_path, monkeypatch):
    monkeypatch.setenv("CVRUN_FAULT", "record.write@2=hang:2")

    def press():
        tools.wait_for(lambda: [path for path in new(tmp_path) if (path / "records.jsonl").is_file()])
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    said = call("confirm", "outputs", "--seeds", "2")
    finger.join()
    assert said.code == 130 and "2 of 2 runs have not finished" in said.err and "not started" in said.err
    assert [tools.status(path)["state"] for path in new(tmp_path)] == ["interrupted"]
    monkeypatch.delenv("CVRUN_FAULT")
    assert call("confirm", "outputs", "--seeds", "2").code == 0
    assert [tools.status(path)["state"] for path in new(tmp_path)] == ["finished"] * 2


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["outputs", "--top", "0"], "--top 0: expected a number from 1 to 1,000"),
        (["outputs", "--seeds", "x"], "--seeds x: expected a number from 1"),
        (["outputs", "seed=7"], "seed=7: expected one of device"),
    ],
)
def test_what_is_wrong_is_one_line(call, finished, words, error):
    said = call("confirm", *words)
    assert said.code in (2, 3) and said.err.startswith(f"cvrun confirm: {error}") and said.err.count("\n") == 1
