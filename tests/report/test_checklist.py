import json

from cvrun.folder import RunFolder
from cvrun.report.checklist import checklist
from cvrun.report.run_record import read_record
from tests.report.test_sweep import write


def lines_of(path, name):
    return {line.number: line for line in checklist(read_record(RunFolder(path), [], None), name)}


def test_m24_an_empty_folder_leaves_all_to_the_author(tmp_path):
    for name, items in (("claim", 42), ("tripod", 52)):
        lines = lines_of(tmp_path, name)
        assert len(lines) == items and not any(line.answer or line.file for line in lines.values())


def test_m24_what_is_said_is_in_the_file_that_is_named(tmp_path):
    path = write(tmp_path, "a", 0.9, lr=0.1, option="sgd")
    with (path / "plan.yaml").open("a") as file:
        file.write("data: {counts: {train: [3, 4], val: [1, 2]}, flow: {listed: 11, unreadable: 1}}\n")
        file.write("imbalance: {line: ''}\n")
    lines = lines_of(path, "claim")
    assert (lines["34"].answer, lines["34"].file) == ("images: train 7 in 2 classes, val 3 in 2 classes", "plan.yaml")
    assert lines["33"].answer == "11 listed, 1 unreadable images" and lines["13"].answer == "1 unreadable images"
    assert "lr 0.1" in lines["25"].answer and lines["25"].file == "spec.yaml"
    assert lines_of(path, "tripod")["13"].answer == "nothing was resampled or weighted"


def test_m24_a_fact_whose_file_is_not_there_is_left_to_the_author(tmp_path):
    path = write(tmp_path, "a", 0.9, lr=0.1)
    assert lines_of(path, "claim")["37"].answer == ""
    (path / "predictions").mkdir()
    (path / "predictions" / "val.npz").write_bytes(b"")
    assert lines_of(path, "claim")["37"].file == "predictions/val.npz"


def test_m23_hashed_names_and_m1_groups_are_said_only_where_the_run_has_them(tmp_path):
    path = write(tmp_path, "a", 0.9, lr=0.1)
    assert lines_of(path, "claim")["12"].answer == "" and lines_of(path, "claim")["21"].answer == ""
    with (path / "spec.yaml").open("a") as file:
        file.write(json.dumps({"hash_ids": True, "group_by": "patient"}).join(["data: ", "\n"]))
    with (path / "plan.yaml").open("a") as file:
        file.write("data: {groups: {train: 5, val: 2}}\n")
    lines = lines_of(path, "claim")
    assert "hashed" in lines["12"].answer
    assert lines["21"].answer == "groups by patient are in one part each: train 5, val 2"
