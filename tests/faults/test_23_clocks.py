"""Row 23: clocks jump and starts coincide: steps give the order, each run has a folder of its own, times are UTC."""

import itertools
import json
import os
import re
from datetime import UTC, datetime, timedelta

import kit
import pytest

import cvrun.folder

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SECONDS = 30
"""More than any test here takes."""


class Backwards(datetime):
    """A clock that goes back a day whenever it is read."""

    days = itertools.count()

    @classmethod
    def now(cls, tz=None):
        return datetime(2026, 1, 1, tzinfo=tz) - timedelta(days=next(cls.days))


@pytest.fixture
def interrupted(words, tmp_path, monkeypatch):
    """A run that was killed as its second commit began: that of step 3 is there. From there on the clock goes back."""
    assert kit.run(words, tmp_path, faults="checkpoint.copied@2=kill").code == 137
    monkeypatch.setattr(cvrun.folder, "datetime", Backwards)
    return kit.run_folder(tmp_path)


def test_a_clock_that_goes_back_changes_nothing(call, words, whole, interrupted):
    # Files seem to come from the future, the newest checkpoint from the farthest past.
    for age, path in enumerate(sorted((interrupted / "checkpoints").iterdir())):
        os.utime(path, (4e9 - 1e8 * age, 4e9 - 1e8 * age))
    said = call("resume", interrupted)
    assert said.code == 0, said.err
    assert "going on from step 3" in said.err
    assert kit.records(interrupted) == kit.records(whole)
    times = [json.loads(line)["time"] for line in (interrupted / "records.jsonl").read_text().splitlines()]
    assert times[3:] == sorted(times[3:], reverse=True) and len(set(times)) == len(times)
    names = ("state", "step", "score", "best_step", "metrics")
    assert [kit.status(interrupted)[name] for name in names] == [kit.status(whole)[name] for name in names]
    # The time of work is not that of the clock on the wall, which has gone back by weeks.
    assert 0 < kit.status(interrupted)["seconds"] < SECONDS


def test_runs_are_ordered_by_name_and_checkpoints_by_step(call, words, interrupted, tmp_path):
    from cvrun.trainer.checkpoint import commits

    for number, name in ((2, "step-00000020"), (1, "step-00000100"), (3, "step-00000003")):
        (tmp_path / "c" / name).mkdir(parents=True)
        os.utime(tmp_path / "c" / name, (number * 1e8, number * 1e8))
    assert [path.name[-3:] for path in commits(tmp_path / "c", "step")] == ["100", "020", "003"]
    assert call(*words, "seed=1").code == 0
    assert call("resume", interrupted).code == 0
    listed = json.loads(call("runs", "--json").out)
    assert [run["path"] for run in listed] == sorted(f"outputs/f/{path.name}" for path in tmp_path.glob("outputs/f/*"))
    assert [run["state"] for run in listed] == ["finished"] * 2


def test_times_are_utc_whatever_the_time_zone(words, tmp_path):
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    said = kit.run((*words, "trainer.epochs=1"), tmp_path, env={"TZ": "Pacific/Kiritimati"})
    assert said.code == 0
    folder = kit.run_folder(tmp_path)
    times = [json.loads(line)["time"] for line in (folder / "records.jsonl").read_text().splitlines()]
    times.append(kit.status(folder)["updated"])
    assert all(STAMP.fullmatch(time) for time in times)
    assert all(before <= datetime.fromisoformat(time) <= datetime.now(UTC) for time in times)


def test_ten_runs_that_start_at_once_have_ten_folders(words, tmp_path):
    children = [kit.Child((*words, "trainer.epochs=1", f"seed={seed}"), tmp_path) for seed in range(10)]
    assert [child.wait().code for child in children] == [0] * 10
    folders = sorted(tmp_path.glob("outputs/f/*"))
    assert len(folders) == 10
    assert [len(kit.records(folder)) for folder in folders] == [4] * 10


def test_one_run_that_is_started_ten_times_at_once_is_trained_once(words, whole, tmp_path):
    children = [kit.Child(words, tmp_path) for _ in range(10)]
    said = [child.wait() for child in children]
    trained = [one for one in said if one.code == 0 and "finished before" not in one.out]
    stored = [one for one in said if one.code == 0 and "finished before" in one.out]
    refused = [one for one in said if one.code == 2]
    assert len(trained) == 1 and len(stored) + len(refused) == 9
    assert all("this run is held by" in one.err for one in refused)
    assert kit.records(kit.run_folder(tmp_path)) == kit.records(whole)


def test_nothing_in_the_package_orders_by_the_time_of_the_wall_clock():
    """The time of a record comes from one place; a file's times may tell that the file has changed, and no more."""
    package = kit.Path(cvrun.folder.__file__).parent
    found = {
        path.relative_to(package).as_posix(): word
        for path in package.rglob("*.py")
        for word in re.findall(r"getmtime|getctime|st_ctime\b|time\.time\(|datetime\.now\(\)|utcnow", path.read_text())
    }
    assert found == {}
