import json
import shlex

import pytest

from cvrun.folder import RunFolder
from cvrun.report.run_record import read_record


def test_an_empty_folder_is_a_record_without_anything(tmp_path):
    record = read_record(RunFolder(tmp_path), [], None)
    assert (record.plan, record.status, record.rows, record.spec, record.warnings) == ({}, {}, [], "", [])
    assert record.part("data", "counts") == {} and record.metric("val", "accuracy") is None


def test_of_records_of_one_step_the_last_counts_and_they_are_in_order(tmp_path):
    rows = [{"step": 4, "a": 1}, {"step": 2, "a": 0}, {"step": 4, "a": 3, "b": 5}, {"step": None}, {"x": 1}]
    record = read_record(RunFolder(tmp_path), rows, None)
    assert record.rows == [{"step": 2, "a": 0}, {"step": 4, "a": 3, "b": 5}]


def test_what_a_run_wrote_is_found(tmp_path):
    (tmp_path / "plan.yaml").write_text("name: n\nrun_id: '7'\nwarnings: [careful]\ntraining: {monitor: val/kappa}\n")
    (tmp_path / "warnings.log").write_text("2026 UserWarning: x\n")
    (tmp_path / "spec.yaml").write_text("seed: 1\n")
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "test.json").write_text(json.dumps({"metrics": {"kappa": 0.5, "loss": None}}))
    record = read_record(RunFolder(tmp_path), [], None)
    assert (record.name, record.monitor, record.spec) == ("n 7", "val/kappa", "seed: 1\n")
    assert record.warnings == ["careful", "2026 UserWarning: x"]
    assert record.metric("test", "kappa") == 0.5 and record.metric("test", "loss") is None


def test_a_plan_that_is_no_plan_is_none(tmp_path):
    for text in ("[1, 2]", "a: [", "\x00"):
        (tmp_path / "plan.yaml").write_text(text)
        assert read_record(RunFolder(tmp_path), [], None).plan == {}


def test_a_run_whose_process_has_gone_is_interrupted(tmp_path):
    run = RunFolder(tmp_path)
    run.write_status({"state": "running", "reason": "", "step": 3})
    assert read_record(run, [], None).status["state"] == "interrupted"
    with run.hold():
        assert read_record(run, [], None).status["state"] == "running"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("cvrun soup 'a b' c --greedy", True),
        ("cvrun soup a; rm -rf b", False),
        ("cvrun soup $(rm -rf b)", False),
        ("rm soup a", False),
        ("cvrun soup 'a", False),
        ("cvrun soup a\nrm b", False),
        (3, False),
    ],
)
def test_a_soup_is_made_again_by_its_own_command_and_by_no_other(tmp_path, command, shown):
    (tmp_path / "plan.yaml").write_text(json.dumps({"soup": {"command": command}}))
    record = read_record(RunFolder(tmp_path), [], None)
    assert record.again == (command if shown else f"cvrun verify {tmp_path} --replay", f"cvrun eval {tmp_path}")


def test_commands_can_be_copied_also_where_the_folder_has_a_space(tmp_path):
    path = tmp_path / "my runs; x"
    path.mkdir()
    again = read_record(RunFolder(path), [], None).again
    assert [shlex.split(each)[:3] for each in again] == [["cvrun", word, str(path)] for word in ("verify", "eval")]
