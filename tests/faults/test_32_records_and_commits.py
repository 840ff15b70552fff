"""Row 32: killed between a record and its commit: it is dropped and written anew, once; no record is lost or torn."""

import json

import kit
import pytest

from cvrun.trainer import checkpoint


@pytest.mark.parametrize(
    ("point", "visit"),
    [("record.write", 1), ("record.write", 6), ("record.written", 5), ("record.written", 6), ("record.written", 10)],
)
def test_killed_at_a_record(words, whole, tmp_path, point, visit):
    """The third, sixth and ninth record are evaluations, each followed by a commit; the tenth is the last."""
    assert kit.run(words, tmp_path, faults=f"{point}@{visit}=kill").code == 137
    folder = kit.run_folder(tmp_path)
    assert kit.records(folder) == kit.records(whole)[: visit - (point == "record.write")]
    committed = max(map(checkpoint.step_of, checkpoint.commits(folder / "checkpoints", "step")), default=0)
    # Commits are written beside training: the last one may not have been there yet.
    last = (visit - 1) // 3 * 3
    assert committed in (last, max(last - 3, 0))
    said = kit.run(words, tmp_path)
    assert said.code == 0, said.err
    assert (f"going on from step {committed}\n" in said.err) == (committed > 0)
    assert kit.records(folder) == kit.records(whole)
    names = ("state", "step", "score", "best_step", "metrics")
    assert [kit.status(folder)[name] for name in names] == [kit.status(whole)[name] for name in names]


def test_killed_again_and_again(words, whole, tmp_path):
    for visit in (5, 2, 4):
        assert kit.run(words, tmp_path, faults=f"record.written@{visit}=kill").code == 137
    assert kit.run(words, tmp_path).code == 0
    assert kit.records(kit.run_folder(tmp_path)) == kit.records(whole)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_killed_in_the_middle_of_a_line(words, whole, tmp_path, share):
    assert kit.run(words, tmp_path, faults="record.write@5=kill").code == 137
    folder = kit.run_folder(tmp_path)
    line = json.dumps(kit.records(whole)[4])
    with (folder / "records.jsonl").open("a") as file:
        # Of the whole line only its end is missing.
        file.write(line[: int(share * len(line))])
    assert kit.run(words, tmp_path).code == 0
    assert kit.records(folder) == kit.records(whole)


def test_blocks_that_a_power_failure_left_empty(words, whole, tmp_path):
    assert kit.run(words, tmp_path, faults="record.written@8=kill").code == 137
    folder = kit.run_folder(tmp_path)
    rows = (folder / "records.jsonl").read_bytes().splitlines(keepends=True)
    # What was there at the commit of step 6 had been synced; what came later may be zeros.
    (folder / "records.jsonl").write_bytes(b"".join(rows[:6]) + b"\0" * len(b"".join(rows[6:])))
    assert kit.run(words, tmp_path).code == 0
    assert kit.records(folder) == kit.records(whole)
