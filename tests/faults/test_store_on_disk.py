"""Decoded images on disk: whatever happens to the process that makes them, runs get the same pixels."""

import signal
from pathlib import Path

import kit
import pytest

DISK = "cache=disk"
POINTS = ("store.mid_write", "store.before_rename", "store.mid_write@2", "store.before_rename@2")
"""Of the training images and of those for validation, which are a chunk each."""


@pytest.fixture
def cache(tmp_path):
    return {"CVRUN_CACHE": str(tmp_path / "cache")}


def left(tmp_path) -> list[str]:
    """What lies beside whole stores."""
    return [path.name for path in (tmp_path / "cache" / "store").iterdir() if path.name.startswith(".")]


def told(child) -> str:
    """What it has written to standard output so far."""
    path = child._names[0]
    return path.read_text(errors="replace") if path.is_file() else ""


def start(words, cwd, faults, cache):
    cwd.mkdir(exist_ok=True)
    return kit.Child((*words, DISK), cwd, faults, env=cache)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_place_it_is_made_again(point, words, whole, cache, tmp_path):
    assert kit.run((*words, DISK), tmp_path, f"{point}=kill", env=cache).code == 137
    assert left(tmp_path)
    said = kit.run((*words, DISK), tmp_path, env=cache)
    assert said.code == 0, said.err
    assert kit.records(kit.run_folder(tmp_path)) == kit.records(whole)
    assert left(tmp_path) == []
    assert len(list((tmp_path / "cache" / "store").iterdir())) == 2


@pytest.mark.parametrize("point", POINTS)
def test_a_full_disk_is_a_line_and_the_same_run(point, words, whole, cache, tmp_path):
    said = kit.run((*words, DISK), tmp_path, f"{point}=enospc", env=cache)
    assert said.code == 0, said.err
    (line,) = [line for line in (said.out + said.err).splitlines() if "No space left" in line]
    assert line.startswith("warning: ") and "images are decoded as they are needed" in line
    assert kit.records(kit.run_folder(tmp_path)) == kit.records(whole)
    assert left(tmp_path) == []


def test_two_runs_at_once_decode_once(words, whole, cache, tmp_path):
    """The second one would fail at the first image that it decodes."""
    first = start(words, tmp_path / "first", "store.before_rename@2=SIGSTOP", cache)
    first.wait_for(lambda: Path(f"/proc/{first.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    second = start(words, tmp_path / "second", "decode.chunk=raise,stream.image=raise", cache)
    second.wait_for(lambda: f"waiting for process {first.pid} on " in second.err() + told(second))
    first.send(signal.SIGCONT)
    ended = [first.wait(), second.wait()]
    assert [said.code for said in ended] == [0, 0], ended
    for cwd in (tmp_path / "first", tmp_path / "second"):
        assert kit.records(kit.run_folder(cwd)) == kit.records(whole)
    assert left(tmp_path) == []


def test_whoever_waits_takes_over_from_one_that_is_killed(words, whole, cache, tmp_path):
    first = start(words, tmp_path / "first", "store.mid_write=hang:60", cache)
    first.wait_for(lambda: ".new" in "".join(left(tmp_path)) if (tmp_path / "cache" / "store").exists() else False)
    second = start(words, tmp_path / "second", "", cache)
    second.wait_for(lambda: "waiting for" in second.err() + told(second))
    first.send(signal.SIGKILL)
    said = second.wait()
    assert said.code == 0, said.err
    assert kit.records(kit.run_folder(tmp_path / "second")) == kit.records(whole)
    assert left(tmp_path) == []
    first.wait()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_wait(number, code, words, cache, tmp_path):
    first = start(words, tmp_path / "first", "store.mid_write=hang:60", cache)
    first.wait_for(lambda: ".new" in "".join(left(tmp_path)) if (tmp_path / "cache" / "store").exists() else False)
    second = start(words, tmp_path / "second", "", cache)
    second.wait_for(lambda: "waiting for" in second.err() + told(second))
    second.send(number)
    assert second.wait(10).code == code
    first.send(signal.SIGKILL)
    first.wait()


def test_a_run_that_goes_on_may_change_where_its_images_are(words, whole, cache, tmp_path):
    """The digest of the pixels in its checkpoint is that of the memory and of the disk."""
    assert kit.run((*words, "cache=ram"), tmp_path, "step.begin@5=kill", env=cache).code == 137
    said = kit.run((*words, DISK), tmp_path, env=cache)
    assert said.code == 0, said.err
    assert "warning" not in said.err + said.out
    assert kit.records(kit.run_folder(tmp_path)) == kit.records(whole)
    assert kit.status(kit.run_folder(tmp_path))["digest"] == kit.status(whole)["digest"]


def test_a_store_that_was_damaged_between_two_runs(words, whole, cache, tmp_path):
    assert kit.run((*words, DISK), tmp_path, "step.begin@5=kill", env=cache).code == 137
    for path in (tmp_path / "cache" / "store").glob("*/pixels.bin"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    said = kit.run((*words, DISK), tmp_path, env=cache)
    assert said.code == 0, said.err
    lines = [line for line in (said.out + said.err).splitlines() if "its images are decoded again" in line]
    assert len(lines) == 2 and all("pixels.bin holds other bytes than were written" in line for line in lines)
    assert kit.records(kit.run_folder(tmp_path)) == kit.records(whole)
