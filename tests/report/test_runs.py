"""Runs as plain values."""

import pytest
import yaml

from cvrun.errors import DataError
from cvrun.folder import RunFolder
from cvrun.report.runs import describe, find_runs, runs_table


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "outputs" / "digits" / "0123abcd")
    folder.path.mkdir(parents=True)
    folder.spec.write_text("seed: 0\n")
    folder.plan.write_text(yaml.safe_dump({"name": "digits", "run_id": "0123abcd", "overrides": ["seed=1"]}))
    folder.write_status(
        {"state": "running", "monitor": "val/loss", "score": 0.5, "step": 7, "epochs": 1.5, "seconds": 2.0}
    )
    return folder


def test_a_running_run_is_running_while_somebody_holds_it(run):
    with run.hold():
        assert describe(run)["state"] == "running"
    assert describe(run)["state"] == "interrupted"


@pytest.mark.parametrize("state", ["finished", "failed", "diverged", "interrupted"])
def test_other_states_are_as_written(run, state):
    run.write_status({**run.read_status(), "state": state})
    assert describe(run)["state"] == state


def test_values(run):
    assert describe(run) == {
        "path": run.path.as_posix(),
        "name": "digits",
        "id": "0123abcd",
        "state": "interrupted",
        "monitor": "val/loss",
        "score": 0.5,
        "step": 7,
        "epochs": 1.5,
        "seconds": 2.0,
        "overrides": ["seed=1"],
    }


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"overrides: null", b"name: ["])
def test_a_damaged_plan_leaves_what_the_folder_says(run, content):
    run.plan.write_bytes(content)
    found = describe(run)
    assert (found["name"], found["id"], found["overrides"]) == ("digits", "0123abcd", [])
    assert "0123abcd" in runs_table([found])


def test_runs_are_found_at_and_below_a_folder_in_order(run, tmp_path):
    other = tmp_path / "outputs" / "a" / "ffff0000"
    other.mkdir(parents=True)
    (other / "spec.yaml").write_text("")
    assert [found["id"] for found in find_runs(tmp_path)] == ["ffff0000", "0123abcd"]
    assert [found["id"] for found in find_runs(run.path)] == ["0123abcd"]
    with pytest.raises(DataError, match="no such folder"):
        find_runs(tmp_path / "nothing")


def test_a_missing_score_is_a_dash(run):
    (run.status).unlink()
    assert runs_table([describe(run)]).splitlines()[2].split()[1:] == ["interrupted", "-", "0.0", "0.0", "seed=1"]
    assert runs_table([]) == "no runs\n"


def test_a_folder_of_somebody_else_cannot_break_the_table(tmp_path):
    folder = RunFolder(tmp_path / "x" / "run")
    folder.path.mkdir(parents=True)
    folder.spec.write_text("")
    folder.status.write_text('{"state": ["x"], "score": "0.9", "step": {}, "epochs": true, "seconds": [1]}')
    folder.plan.write_text("name: [1]\nrun_id: {a: 1}\noverrides: [3, [x]]\n")
    found = describe(folder)
    assert (found["score"], found["step"], found["epochs"], found["seconds"]) == (None, 0, 0.0, 0.0)
    assert found["overrides"] == ["3", "['x']"]
    assert "['x']" in runs_table([found])
    folder.status.write_text("[" * 100_000)
    folder.plan.write_text("a: &a [*a]\n")
    assert describe(folder)["state"] == "interrupted" and describe(folder)["overrides"] == []
