"""logger=jsonl: the truth."""

import json
import os

import pytest

from cvrun.errors import StorageError
from cvrun.logger.jsonl import Config, build


def line(step, **more) -> dict:
    return {"step": step, "epoch": step / 4, **more}


def written(tmp_path) -> list[dict]:
    return [json.loads(text) for text in (tmp_path / "records.jsonl").read_text().splitlines()]


def test_each_record_is_on_disk_when_write_returns(tmp_path, header):
    logger = build(Config(), tmp_path)
    logger.open(header())
    for step in (1, 2):
        logger.write(line(step))
        assert written(tmp_path)[-1] == line(step)
    logger.close()


def test_numbers_that_are_not_finite_become_null_and_others_keep_every_bit(tmp_path, header):
    logger = build(Config(), tmp_path)
    logger.open(header())
    logger.write({"step": 1, "a": float("nan"), "b": float("-inf"), "c": 0.1 + 0.2, "d": None, "e": "é\n"})
    logger.close()
    assert written(tmp_path) == [{"step": 1, "a": None, "b": None, "c": 0.1 + 0.2, "d": None, "e": "é\n"}]


@pytest.mark.parametrize(
    "torn", ['{"step": 5, "va', '{"step": 3', "\x00\x00", "{}", "[]", "7", "null", '{"step": null}']
)
def test_a_torn_last_line_is_dropped(tmp_path, header, torn):
    (tmp_path / "records.jsonl").write_text(json.dumps(line(3)) + "\n" + torn)
    logger = build(Config(), tmp_path)
    logger.open(header(8))
    logger.write(line(9))
    logger.close()
    assert written(tmp_path) == [line(3), line(9)]


def test_what_lies_beyond_the_start_is_dropped(tmp_path, header):
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(line(step)) + "\n" for step in (2, 4, 6, 8)))
    logger = build(Config(), tmp_path)
    logger.open(header(4))
    logger.close()
    assert written(tmp_path) == [line(2), line(4)]


def test_an_evaluation_that_was_recorded_but_not_committed_is_written_anew(tmp_path, header):
    # The run stopped within the evaluation of step 8, went on, recorded it, and was killed before the commit.
    rows = [line(4, **{"val/accuracy": 0.5}), line(7), line(8, **{"val/accuracy": 0.6})]
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    logger = build(Config(), tmp_path)
    logger.open(header(8, evaluated=4))
    logger.close()
    assert written(tmp_path) == rows[:2]


def test_the_last_record_of_a_finished_run_comes_only_once(tmp_path, header):
    rows = [line(12, **{"val/accuracy": 0.5}), line(12, **{"best/step": 8})]
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    logger = build(Config(), tmp_path)
    logger.open(header(12))
    logger.write(rows[1])
    logger.close()
    assert written(tmp_path) == rows


def test_a_run_that_starts_afresh_forgets_everything(tmp_path, header):
    (tmp_path / "records.jsonl").write_text(json.dumps(line(1)) + "\n")
    logger = build(Config(), tmp_path)
    logger.open(header(0))
    logger.close()
    assert written(tmp_path) == []


def test_a_full_disk_is_an_error_of_storage_and_closing_is_quiet(tmp_path, header):
    logger = build(Config(), tmp_path)
    logger.open(header())
    logger._file.close()
    logger._file = open("/dev/full", "a")  # noqa: SIM115
    with pytest.raises(StorageError, match="No space left"):
        logger.write(line(1))
    logger.close()


def test_sync_makes_the_lines_durable(tmp_path, header, monkeypatch):
    synced = []
    logger = build(Config(), tmp_path)
    logger.sync()
    logger.open(header())
    logger.write(line(1))
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}")))
    logger.sync()
    assert synced == [str(tmp_path / "records.jsonl")]
    monkeypatch.setattr(os, "fsync", lambda handle: os.fstat(-1))
    with pytest.raises(StorageError, match=r"records\.jsonl: cannot be written"):
        logger.sync()
    logger.close()
