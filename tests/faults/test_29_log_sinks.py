"""Row 29: output, log or table that cannot be written: training goes on and ends with 0; one warning; all records."""

import csv
import json
import os
import shutil
import subprocess
import sys

import kit
import pytest

FULL = "No space left on device"
LIMIT = 1_000_000
"""[bytes] More than any file of the small run has."""


def log(folder) -> list[str]:
    """What log.txt holds, without the times."""
    return [line.partition(" ")[2] for line in (folder / "log.txt").read_text().splitlines()]


def interrupted(words, cwd):
    """A run that was killed at the end of its second epoch: when a commit begins, the one before is there."""
    assert kit.run(words, cwd, faults="checkpoint.copied@2=kill").code == 137
    return kit.run_folder(cwd)


def warnings(text: str) -> list[str]:
    return [line for line in text.splitlines() if "cannot be written" in line or "failed" in line or "lost" in line]


def test_a_full_standard_output_costs_the_run_nothing(words, whole, tmp_path):
    said = kit.run(words, tmp_path, out="/dev/full")
    folder = kit.run_folder(tmp_path)
    relative = folder.relative_to(tmp_path)
    line = f"warning: standard output cannot be written ({FULL}); the result is in {relative}"
    assert said.code == 0
    assert said.err.count(line) == 1 and warnings(said.err) == [line]
    assert log(folder)[-1] == line
    assert kit.records(folder) == kit.records(whole)
    # The stored result of a finished run cannot be shown either.
    assert kit.run(("resume", folder), tmp_path, out="/dev/full").code == 0


def test_a_full_standard_error_costs_the_run_nothing(words, whole, tmp_path):
    said = kit.run(words, tmp_path, err="/dev/full")
    folder = kit.run_folder(tmp_path)
    line = f"logger console failed and is left out from here on (OSError: [Errno 28] {FULL})"
    assert said.code == 0
    # Beside it stands what has nowhere else to go.
    assert warnings(said.out) == [line] and line in said.out.splitlines()[:2]
    assert "best val/accuracy" in said.out
    assert line in log(folder)
    assert kit.records(folder) == kit.records(whole)


def test_both_piped_to_head(words, whole, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["head", "-1", pipe], stdout=subprocess.PIPE, text=True) as head:
        said = kit.run((*words, "trainer.epochs=4"), tmp_path, out=pipe, err=pipe)
        assert said.code == 0
        assert head.stdout.read().startswith("run ")
    assert kit.status(kit.run_folder(tmp_path))["state"] == "finished"
    # The first nine steps of a longer run are not those of the short one: its rate falls later.
    assert [row["step"] for row in kit.records(kit.run_folder(tmp_path)) if "train/lr" in row] == [*range(1, 13)]


def test_a_real_process_ends_with_0_and_in_silence(images, whole, tmp_path):
    """Python itself fails on streams that it cannot flush when it ends, with a code of 120."""
    words = ["train", *kit.QUICK, f"data.root={images}"]
    command = '"$0" -m cvrun "$@" > /dev/full 2>&-; echo $? > code'
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, timeout=120
    )
    assert (done.stdout, done.stderr) == (b"", b"")
    assert (tmp_path / "code").read_text() == "0\n"
    folder = kit.run_folder(tmp_path)
    assert kit.records(folder) == kit.records(whole)
    reason = "Bad file descriptor"
    said = [line for line in log(folder) if not line.startswith("normalize: ")]
    assert said == [
        f"logger console failed and is left out from here on (OSError: [Errno 9] {reason})",
        f"warning: standard output cannot be written ({FULL}); the result is in {folder.relative_to(tmp_path)}",
    ]


def test_a_log_that_is_full_is_one_warning(words, whole, tmp_path):
    folder = interrupted(words, tmp_path)
    with (folder / "log.txt").open("w") as file:
        file.truncate(LIMIT)
    said = kit.run(("resume", folder), tmp_path, limit=LIMIT)
    assert said.code == 0
    reason = f"warning: {folder}/log.txt cannot be written (File too large)"
    assert warnings(said.err) == [f"{reason}; what is said may be missing there"]
    assert (folder / "log.txt").stat().st_size == LIMIT
    assert kit.records(folder) == kit.records(whole)


def test_a_table_that_cannot_be_written_is_one_warning(words, whole, tmp_path):
    words = (*words, "logger=[console,csv]")
    folder = interrupted(words, tmp_path)
    (folder / "records.csv").unlink(missing_ok=True)
    (folder / "records.csv").mkdir()
    said = kit.run(words, tmp_path)
    assert said.code == 0
    (line,) = warnings(said.err)
    assert line.startswith("logger csv ") and "records.csv: cannot be written (Is a directory)" in line
    assert log(folder).count(line) == 1
    assert kit.records(folder) == kit.records(whole)


def test_records_that_cannot_be_written_end_the_run_resumably(words, whole, tmp_path):
    folder = interrupted(words, tmp_path)
    rows = folder / "records.jsonl"
    kept = [line for line in rows.read_text().splitlines() if json.loads(line)["step"] <= 3]
    pad = LIMIT - sum(len(line) + 1 for line in kept) - len(json.dumps({"step": 1, "pad": ""})) - 21
    rows.write_text("".join(f"{line}\n" for line in [json.dumps({"step": 1, "pad": "x" * pad}), *kept]))
    said = kit.run(("resume", folder), tmp_path, limit=LIMIT)
    assert said.code == 7
    assert "records.jsonl: cannot be written (File too large)" in said.err
    assert {name: kit.status(folder)[name] for name in ("state", "resumable", "step")} == {
        "state": "failed",
        "resumable": True,
        "step": 3,
    }
    assert kit.run(("resume", folder), tmp_path).code == 0
    assert [row for row in kit.records(folder) if "pad" not in row] == kit.records(whole)


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of the finished run."""
    return shutil.copytree(whole, tmp_path / "run")


def test_a_result_that_is_only_shown_is_an_error_of_storage(copy, images, tmp_path):
    image = images / "ant" / "00.png"
    for words in (("predict", copy, image), ("predict", copy, image, "--json"), ("eval", copy), ("runs", tmp_path)):
        said = kit.run(words, tmp_path, out="/dev/full")
        line = f"cvrun {words[0]}: standard output: cannot be written ({FULL})\n"
        assert (said.code, said.err) == (7, line)


def test_a_prediction_that_is_in_a_file_is_kept(copy, images, tmp_path):
    said = kit.run(("predict", copy, images / "ant" / "00.png", "--output", "p.csv"), tmp_path, out="/dev/full")
    assert said.code == 0
    assert said.err == f"warning: standard output cannot be written ({FULL}); the result is in p.csv\n"
    with (tmp_path / "p.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 1
