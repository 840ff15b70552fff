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
