import dataclasses
import json

from cvrun.folder import RunFolder
from cvrun.interval import wilson
from cvrun.report.markdown import inert, markdown, markdown_sweep, markdown_table, plain, plain_sweep
from cvrun.report.run_record import read_record
from cvrun.report.sweep import read_sweep
from tests.report.test_sweep import write

BAD = "a|b\n<script>alert(1)</script> [x](javascript:y) https://e.org @me"


def record_of(tmp_path, **details):
    path = write(tmp_path, "a", 0.9, lr=0.1)
    (path / "predictions").mkdir()
    (path / "predictions" / "val.json").write_text(json.dumps(details))
    return read_record(RunFolder(path), [], None)


def test_text_of_others_is_inert():
    said = inert(BAD)
    assert said.count("\\|") == 1 and "\\<script\\>" in said and "\n" not in said
    assert "//" not in said and "@" not in said and "\\[x\\]" in said
    assert markdown_table(["a"], [[BAD]]).count("\n") == 3


def test_m9_accuracy_has_its_interval_in_both_formats(tmp_path):
    # Checklist M9: 36 of 40 has a Wilson interval of .769 to .960.
    ends = {"accuracy": list(wilson(36, 40))}
    record = record_of(tmp_path, metrics={"accuracy": 0.9, "kappa": None}, intervals=ends)
    found = plain(record)["evaluated"]["val"]
    low, high = found["intervals"]["accuracy"]
    assert (round(low, 3), round(high, 3)) == (0.769, 0.960) and (low, high) == wilson(36, 40)
    text = markdown(record)
    assert "| accuracy | 0.9000 | 0.7695 to 0.9604 |" in text and "| kappa | - | - |" in text


def test_classes_are_a_table_and_numbers_that_are_not_finite_are_null(tmp_path):
    rows = [{"class": BAD, "support": 3, "precision": 0.5, "recall": float("inf"), "f1": None}]
    record = record_of(tmp_path, metrics={"accuracy": float("nan")}, per_class=rows, undefined={"f1": 1})
    json.dumps(plain(record), allow_nan=False)
    text = markdown(record)
    assert "| class | support | precision | recall | f1 |" in text and "<script" not in text.replace("\\<script", "")
    assert "left out of a mean: f1 1" in text


def test_a_sweep_has_the_same_facts_in_both_formats(tmp_path):
    for i in range(2):
        write(tmp_path, f"r{i}", 0.5 + i / 10, seed=i, lr=0.1)
    write(tmp_path, "x", 0.4, lr=0.2)
    sweep = read_sweep(tmp_path)
    found = plain_sweep(sweep)
    assert found["settings"][0]["n"] == 2 and found["settings"][0]["mean"] == 0.55 and found["picked_from"] == 3
    assert found["runs"][0]["values"] == {"optimizer.lr": 0.1} and found["runs"][0]["seed"] == 1
    text = markdown_sweep(sweep)
    assert "N = 3 runs (2 settings)" in text and "| optimizer.lr=0.1 | 2 | 0.5500 | 0.0707 |" in text


def test_without_a_plan_its_disclosures_are_not_known(tmp_path):
    record = record_of(tmp_path, metrics={"accuracy": 0.9})
    assert "nothing was resampled" in markdown(record) and "| differs by | nothing |" in markdown(record)
    bare = markdown(dataclasses.replace(record, plan={}))
    assert "imbalance: not known" in bare and "| differs by | not known |" in bare and "nothing" not in bare
