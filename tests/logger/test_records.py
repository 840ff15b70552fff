"""records.jsonl, read while it grows or after a crash."""

import pytest

from cvrun.logger._records import read_records, stays


@pytest.mark.parametrize("torn", ["", '{"step": 2', '{"step": 2}', "\x00\x00"])
def test_a_last_line_without_an_end_is_passed_over(tmp_path, torn):
    path = tmp_path / "records.jsonl"
    path.write_text('{"step": 1, "a": 0.5}\n' + torn)
    assert read_records(path) == [{"step": 1, "a": 0.5}]


NO_RECORDS = ("", "[]", "7", "null", "{}", '{"step": null}', '{"step": "1"}', '{"step": true}', "\xff{")
NESTED = ("[" * 200_000, '{"step": 2, "a": [1]}', '{"step": 2, "a": {}}')


@pytest.mark.parametrize("line", NO_RECORDS + NESTED, ids=lambda line: line[:20])
def test_a_line_that_is_no_record_is_passed_over(tmp_path, line):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line.encode("latin-1") + b'\n{"step": 3}\n')
    assert read_records(path) == [{"step": 1}, {"step": 3}]


def test_what_json_has_no_number_for_is_null(tmp_path):
    (tmp_path / "records.jsonl").write_text('{"step": 1, "a": 1e400, "b": NaN, "c": 2.5}\n')
    assert read_records(tmp_path / "records.jsonl") == [{"step": 1, "a": None, "b": None, "c": 2.5}]


def test_a_file_that_is_not_there_has_no_records(tmp_path):
    assert read_records(tmp_path / "records.jsonl") == []


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        ({"step": 4, "val/loss": 1.0}, True),
        ({"step": 7, "train/loss": 1.0}, True),
        ({"step": 8, "val/loss": 1.0}, False),
        ({"step": 9, "train/loss": 1.0}, False),
        ({"step": 4, "best/step": 4}, False),
    ],
)
def test_what_counts_at_a_resume_from_step_8_that_begins_with_its_evaluation(header, record, kept):
    assert stays(record, header(8, evaluated=4)) == kept
