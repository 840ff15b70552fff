"""A commit is whole or absent, and only what its manifest says is believed."""

import hashlib
import json
import os
import random
import shutil
from types import SimpleNamespace

import pytest

from cvrun import fault
from cvrun.errors import CheckpointError, StorageError
from cvrun.trainer import commit

FILES = {"a.bin": bytes(range(256)) * 10, "b.json": b"{}", "empty": b""}


@pytest.fixture(autouse=True)
def cleared():
    yield
    fault.arm("")


def entry(data: bytes) -> dict:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def test_what_is_written_is_read_back_and_nothing_else_stays(tmp_path):
    target = tmp_path / "checkpoints" / "step-00000012"
    commit.write(target, 12, FILES)
    assert commit.read(target) == (commit.FORMAT, FILES)
    assert sorted(path.name for path in target.parent.iterdir()) == ["last", "step-00000012"]
    assert (target.parent / "last").read_text() == "step-00000012\n"
    manifest = json.loads((target / "manifest.json").read_text())
    expected = {name: entry(data) for name, data in FILES.items()}
    assert manifest == {"format": commit.FORMAT, "step": 12, "files": expected}


def test_the_manifest_is_written_last_and_all_is_synced_before_the_name(tmp_path, monkeypatch):
    done, real_sync, real_rename = [], os.fsync, type(tmp_path).rename

    def fsync(handle):
        done.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))
        real_sync(handle)

    def rename(self, target):
        done.append(f"-> {target.name}")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(type(tmp_path), "rename", rename)
    folder = tmp_path / "checkpoints"
    commit.write(folder / "step-00000001", 1, {"a": b"1", "b": b"2"})
    temporary = f".tmp-step-00000001-{os.getpid()}"
    pointer = f".last.{os.getpid()}.tmp"
    assert done == ["a", "b", "manifest.json", temporary, "-> step-00000001", "checkpoints", pointer, "checkpoints"]


def test_the_same_bytes_are_left_and_others_replaced(tmp_path):
    target = tmp_path / "step-00000001"
    commit.write(target, 1, FILES)
    inode = target.stat().st_ino
    commit.write(target, 1, FILES)
    assert target.stat().st_ino == inode
    (target / "a.bin").write_bytes(b"damaged")
    commit.write(target, 1, FILES)
    assert target.stat().st_ino != inode and commit.read(target)[1] == FILES
    commit.write(target, 1, {"a.bin": b"new"})
    assert commit.read(target)[1] == {"a.bin": b"new"}
    assert not list(tmp_path.glob(".tmp-*"))


def test_what_a_process_of_the_same_id_left_is_in_nobodys_way(tmp_path):
    stale = tmp_path / f".tmp-step-00000001-{os.getpid()}"
    stale.mkdir()
    (stale / "a.bin").write_bytes(b"half")
    commit.write(tmp_path / "step-00000001", 1, FILES)
    assert commit.read(tmp_path / "step-00000001")[1] == FILES and not stale.exists()


POINTS = ("checkpoint.mid_write", "checkpoint.before_manifest", "checkpoint.before_rename")


@pytest.mark.parametrize("point", [*POINTS, "checkpoint.mid_write@4"])
def test_a_full_disk_leaves_what_was_there_and_no_rubbish(tmp_path, point):
    commit.write(tmp_path / "step-00000001", 1, FILES)
    fault.arm(f"{point}=enospc")
    size = sum(map(len, FILES.values()))
    message = rf"step-00000002: cannot be written \(No space left on device\); needs {size:,} bytes, [\d,]+ are free"
    with pytest.raises(StorageError, match=message) as caught:
        commit.write(tmp_path / "step-00000002", 2, FILES)
    assert caught.value.exit_code == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last", "step-00000001"]
    assert (tmp_path / "last").read_text() == "step-00000001\n"
    assert commit.read(tmp_path / "step-00000001")[1] == FILES


def free(monkeypatch, num_bytes: int) -> None:
    # The module is shared with folder.py, whose message asks as well.
    monkeypatch.setattr(commit.shutil, "disk_usage", lambda path: SimpleNamespace(free=num_bytes))


def test_twice_its_size_must_be_free_beforehand(tmp_path, monkeypatch):
    size = sum(map(len, FILES.values()))
    free(monkeypatch, 2 * size - 1)
    message = f"step-00000001: not written, {2 * size:,} bytes must be free .twice its size. and {2 * size - 1:,} are"
    with pytest.raises(StorageError, match=message):
        commit.write(tmp_path / "step-00000001", 1, FILES)
    assert list(tmp_path.iterdir()) == []
    free(monkeypatch, 2 * size)
    commit.write(tmp_path / "step-00000001", 1, FILES)
    assert commit.read(tmp_path / "step-00000001")[1] == FILES


def test_a_disk_that_gives_back_other_bytes_is_noticed(tmp_path, monkeypatch):
    real = commit._write
    monkeypatch.setattr(commit, "_write", lambda path, data: real(path, data.replace(b"\x07", b"\x06")))
    with pytest.raises(StorageError, match="reads back as other bytes than were written; the disk or its driver"):
        commit.write(tmp_path / "step-00000001", 1, FILES)
    assert not (tmp_path / "step-00000001").exists()


@pytest.mark.parametrize("seed", range(20))
def test_no_flipped_bit_passes(tmp_path, seed):
    target = tmp_path / "step-00000001"
    commit.write(target, 1, FILES)
    chosen = random.Random(seed)
    path = target / chosen.choice(["a.bin", "b.json"])
    data = bytearray(path.read_bytes())
    data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
    path.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="damaged, its sha256 is not the one in manifest.json") as caught:
        commit.read(target)
    assert caught.value.exit_code == 4


DEEP = '{"format": 2, "files": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}"
HOSTILE = {
    "nothing": "",
    "garbage": "\x00\xff\x00",
    "no mapping": "[1, 2]",
    "no files": '{"format": 2, "files": {}}',
    "a number": '{"format": 2, "files": 3}',
    "no format": '{"files": {"a": {"sha256": "", "size": 0}}}',
    "format 0": '{"format": 0, "files": {"a": {"sha256": "", "size": 0}}}',
    "format below": '{"format": -1, "files": {"a": {"sha256": "", "size": 0}}}',
    "endless format": '{"format": Infinity, "files": {"a": {"sha256": "", "size": 0}}}',
    "no number": '{"format": "x", "files": {"a": {"sha256": "", "size": 0}}}',
    "size is endless": '{"format": 2, "files": {"a": {"sha256": "", "size": 1e999}}}',
    "no hash": '{"format": 2, "files": {"a": {"size": 1}}}',
    "entry is no mapping": '{"format": 2, "files": {"a": 1}}',
    "deep": DEEP,
    "large": '{"format": 2, "files": {"a": {"sha256": "", "size": 1}}}' + " " * (10 << 20),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_manifest_is_one_line(tmp_path, kind):
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "manifest.json").write_text(HOSTILE[kind], encoding="latin-1")
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        commit.read(tmp_path)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "..", ".", "", "sub/a", "a\0b", "x" * 300, "\ud800"])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    inside = tmp_path / "step-00000001"
    (inside / "sub").mkdir(parents=True)
    for path in (tmp_path / "secret", inside / "sub" / "a"):
        path.write_bytes(b"secret")
    (inside / "manifest.json").write_text(json.dumps({"format": 2, "step": 1, "files": {name: entry(b"secret")}}))
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        commit.read(inside)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device"])
@pytest.mark.parametrize("name", ["a", "manifest.json"])
def test_only_plain_files_are_read(tmp_path, kind, name):
    inside = tmp_path / "step-00000001"
    commit.write(inside, 1, {"a": b"secret"})
    shutil.move(inside / name, tmp_path / "secret")
    if kind == "link":
        (inside / name).symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(inside / name)
    elif kind == "folder":
        (inside / name).mkdir()
    else:
        # Its size is said to be 0, and it never ends.
        (inside / name).symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        commit.read(inside)


def test_a_newer_format_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    manifest = {"format": commit.FORMAT + 1, "files": {"a": entry(b"x")}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=f"format {commit.FORMAT + 1}, expected at most .*; use a newer cvrun"):
        commit.read(tmp_path)
