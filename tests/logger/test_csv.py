"""logger=csv: the records as a table."""

import csv

from cvrun.logger import csv as table
from cvrun.logger import jsonl


def test_the_table_has_every_record_and_column(tmp_path, header):
    truth, logger = jsonl.build(jsonl.Config(), tmp_path), table.build(table.Config(), tmp_path)
    records = [
        {"step": 1, "train/loss": 2.5},
        {"step": 4, "val/accuracy": 0.1},
        {"step": 4, "best/step": 4, "x": "a,\n"},
    ]
    truth.open(header())
    logger.open(header())
    for record in records:
        truth.write(record)
        logger.write(record)
    with (tmp_path / "records.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "train/loss", "val/accuracy", "best/step", "x"]
    assert rows[0]["train/loss"] == "2.5"
    assert rows[0]["val/accuracy"] == ""
    assert rows[2]["x"] == "a,\n"
    truth.write({"step": 5, "train/loss": 1.0})
    truth.close()
    logger.close()
    with (tmp_path / "records.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "4", "4", "5"]


def test_log_points_wait_for_the_next_evaluation(tmp_path, header):
    truth, logger = jsonl.build(jsonl.Config(), tmp_path), table.build(table.Config(), tmp_path)
    truth.open(header())
    truth.write({"step": 1, "train/loss": 2.5})
    logger.write({"step": 1, "train/loss": 2.5})
    assert not (tmp_path / "records.csv").exists()
    truth.close()


def test_records_that_came_meanwhile_cost_one_table(tmp_path, header, monkeypatch):
    truth, logger = jsonl.build(jsonl.Config(), tmp_path), table.build(table.Config(), tmp_path)
    written = []
    real = table.write_atomic
    monkeypatch.setattr(table, "write_atomic", lambda path, content: (written.append(path), real(path, content)))
    truth.open(header())
    for step in range(1, 6):
        truth.write({"step": step, "val/accuracy": 0.1})
    for step in range(1, 6):
        logger.write({"step": step, "val/accuracy": 0.1})
    logger.close()
    assert len(written) == 1
    assert len((tmp_path / "records.csv").read_text().splitlines()) == 6
    truth.close()


def test_a_line_that_is_being_written_is_left_for_later(tmp_path, header):
    (tmp_path / "records.jsonl").write_text('{"step": 1, "val/accuracy": 0.5}\n{"step": 2, "val/acc')
    logger = table.build(table.Config(), tmp_path)
    logger.write({"step": 1, "val/accuracy": 0.5})
    assert (tmp_path / "records.csv").read_text() == "step,val/accuracy\n1,0.5\n"


def test_text_is_no_formula_and_numbers_are_numbers(tmp_path, header):
    (tmp_path / "records.jsonl").write_text('{"step": 1, "=a": -0.5, "b": "=1+1", "c": null}\n')
    logger = table.build(table.Config(), tmp_path)
    logger.close()
    assert (tmp_path / "records.csv").read_text() == "step,'=a,b,c\n1,-0.5,'=1+1,\n"
