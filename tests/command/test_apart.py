"""A job in a process of its own: what that process shares with the one that started it, and what it does not."""

import os
import pty
import signal
import threading
import time
from multiprocessing import forkserver

import pytest

from cvrun import config
from cvrun.command import _apart

QUICK = ("model.width=4", "trainer.epochs=1", "trainer.batch_size=300", "workers=0")


def states(out: str) -> list[str]:
    rows = out[out.rindex("score ") :].splitlines()[2:]
    return [row.split()[2] for row in rows if row.split()[-1:] == ["s"]]


def test_starting_the_server_leaves_this_process_as_it_was():
    before = dict(os.environ), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    _apart.serve(config.compose([]))
    assert (dict(os.environ), signal.pthread_sigmask(signal.SIG_BLOCK, ())) == before


@pytest.mark.parametrize(
    ("words", "libraries"),
    [([], []), (["model=torchvision"], ["torchvision"]), (["model=timm", "optimizer=timm"], ["timm"])],
)
def test_the_server_imports_the_libraries_that_are_used(words, libraries, monkeypatch):
    asked = []
    monkeypatch.setattr(forkserver, "set_forkserver_preload", asked.extend)
    monkeypatch.setattr(forkserver, "ensure_running", lambda: None)
    _apart.serve(config.compose(words))
    assert [name for name in asked if not name.startswith("cvrun.")] == libraries


def test_the_driver_does_not_train(call, monkeypatch):
    """What is replaced here reaches no job, so each has a process of its own."""
    from cvrun.command import _execute

    monkeypatch.setattr(_execute, "execute", None)
    assert "TypeError" in call("train", *QUICK).err
    assert call("train", "-m", *QUICK, "seed=0").code == 0


def test_what_a_job_prints_comes_in_order(capfd, tmp_path, monkeypatch):
    from cvrun.cli import main

    monkeypatch.chdir(tmp_path)
    assert main(["train", "-m", *QUICK, "seed=1,2"]) == 0
    out, err = capfd.readouterr()
    assert [line.split()[-1] for line in err.splitlines() if line.startswith("changes")] == ["seed=1", "seed=2"]
    folders = [line.split()[-1] for line in err.splitlines() if line.startswith("run ")]
    assert [line.partition(":")[0] for line in out.splitlines() if "steps are done" in line] == folders
    assert out.index("score ") > out.index(folders[1])


def test_a_job_on_a_terminal_has_its_bar(call, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    kept, shown = os.dup(2), bytearray()

    def read():
        while b"\x04" not in shown:
            shown.extend(os.read(ours, 4096))

    reader = threading.Thread(target=read)
    reader.start()
    os.dup2(theirs, 2)
    try:
        assert call("train", "-m", *QUICK, "seed=0").code == 0
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.write(theirs, b"\x04")
        reader.join()
        os.close(theirs)
        os.close(ours)
    # The bar hides the cursor and shows it again when it goes.
    assert b"\x1b[?25l" in shown and b"\x1b[?25h" in shown


@pytest.mark.slow
def test_the_server_can_die_and_does_not_look_into_the_working_directory(call, tools, tmp_path, monkeypatch):
    (tmp_path / "tokenize.py").write_text("raise SystemExit('a file of the user')")
    monkeypatch.setenv("CVRUN_FAULT", "record.write@2=hang:2")
    _apart.serve(config.compose([]))
    old = forkserver._forkserver._forkserver_pid

    def kill():
        tools.wait_for(lambda: [len(file.read_text()) for file in tmp_path.glob("outputs/run/*/records.jsonl")])
        os.kill(old, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    began = time.monotonic()
    said = call("train", "-m", *QUICK, "trainer.log_every=1st", "seed=0,1")
    killer.join()
    assert time.monotonic() - began > 2
    assert (said.code, states(said.out)) == (0, ["finished", "finished"])
    assert forkserver._forkserver._forkserver_pid != old
