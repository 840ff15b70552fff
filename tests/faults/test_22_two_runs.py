"""Row 22: two runs in one folder: one trains, the other exits 2 naming process, host, time; a kill frees the folder."""

import re
import signal
import socket
import time

import kit
import pytest

from cvrun.errors import ConfigError
from cvrun.folder import RunFolder

SINCE = r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z; wait for it or stop it"


def held_by(pid: int) -> str:
    return rf"outputs/f/[0-9a-f]{{8}}: this run is held by process {pid} on {re.escape(socket.gethostname())} {SINCE}"


def test_of_two_that_race_one_trains(words, whole, tmp_path):
    # Whoever holds the folder first takes its time over it.
    children = [kit.Child(words, tmp_path, "start.held=hang:2") for _ in range(2)]
    ended = {child.pid: child.wait() for child in children}
    assert sorted(said.code for said in ended.values()) == [0, 2]
    (winner,) = (pid for pid, said in ended.items() if said.code == 0)
    (loser,) = (said for said in ended.values() if said.code == 2)
    assert re.search(held_by(winner), loser.err.splitlines()[-1])
    folder = kit.run_folder(tmp_path)
    assert kit.records(folder) == kit.records(whole)
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]


def test_what_a_killed_run_held_is_taken_over(words, whole, tmp_path):
    first = kit.Child(words, tmp_path, "step.begin@8=hang:60")
    first.wait_for(lambda: list(tmp_path.glob("outputs/f/*/checkpoints/step-00000006")))
    first.wait_for(lambda: kit.status(kit.run_folder(tmp_path))["step"] == 6)
    folder = kit.run_folder(tmp_path)
    # It stands still from here on.
    first.wait_for(lambda: kit.records(folder)[-1]["step"] == 7)
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    for command in (words, ["resume", folder]):
        said = kit.run(command, tmp_path)
        assert said.code == 2
        assert re.search(held_by(first.pid), said.err.splitlines()[-1])
    assert {path: path.read_bytes() for path in files} == files
    first.send(signal.SIGKILL)
    assert first.wait().code == -signal.SIGKILL
    # What the lock says is not believed, since the kernel let go of it.
    assert f"process {first.pid} on" in (folder / ".lock").read_text()
    said = kit.run(words, tmp_path)
    assert said.code == 0, said.err
    assert "going on from step 6\n" in said.err
    assert kit.records(folder) == kit.records(whole)
    assert kit.status(folder)["digest"] == kit.status(whole)["digest"]


def test_the_second_is_refused_at_once_and_a_third_after_the_first(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.hold():
        assert folder.is_held()
        began = time.monotonic()
        with pytest.raises(ConfigError, match="this run is held by process") as caught, folder.hold():
            raise AssertionError
        assert time.monotonic() - began < 1
        assert caught.value.exit_code == 2
    assert not folder.is_held()
    with folder.hold():
        assert folder.is_held()


def test_another_run_beside_it_is_nobody_s_concern(words, tmp_path):
    first = kit.Child(words, tmp_path, "step.begin@8=hang:60")
    first.wait_for(lambda: list(tmp_path.glob("outputs/f/*/checkpoints/step-*")))
    assert kit.run([*words, "seed=1", "trainer.epochs=1"], tmp_path).code == 0
    first.send(signal.SIGKILL)
    first.wait()
