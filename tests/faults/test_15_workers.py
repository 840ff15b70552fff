"""Row 15: a decode worker that hangs or dies is replaced, with the same result; after three tries it is exit 7."""

import os
import signal
import subprocess
import sys
import threading
import time

import kit
import numpy as np
import pytest

from cvrun import fault
from cvrun.data import folder
from cvrun.pipeline import chunks, kept, memory
from cvrun.pipeline.decode import decode_from

TWO = ("workers=2", "worker_timeout=1")


def ignore(count):
    """Progress that nobody watches."""


@pytest.fixture
def manifest(images):
    return folder.build(folder.Config(str(images), 20, 3, "crop", None, None))


@pytest.mark.parametrize(
    ("part", "action"), [(1, "hang:30"), (2, "hang:30"), (1, "raise"), (2, "enospc"), (1, "exit:3")]
)
def test_a_worker_that_fails_once_changes_nothing(part, action, words, whole, tmp_path):
    """The training images are one chunk, the validation images another."""
    began = time.monotonic()
    said = kit.run((*words, *TWO), tmp_path, faults=f"decode.chunk@{part}={action}")
    assert said.code == 0, said.err
    assert time.monotonic() - began < 20
    run = kit.run_folder(tmp_path)
    assert kit.records(run) == kit.records(whole)
    assert kit.status(run)["metrics"] == kit.status(whole)["metrics"]


@pytest.mark.parametrize(
    ("action", "fact"),
    [("hang:30", "not done within worker_timeout=0.2 s"), ("raise", "RuntimeError: fault at decode.chunk")],
)
def test_three_failures_end_it_with_the_file_and_the_disk(action, fact, call, words, images, tmp_path):
    fault.arm(",".join(f"decode.chunk@{visit}={action}" for visit in (1, 2, 3)))
    said = call(*words, "workers=2", "worker_timeout=0.2")
    assert said.code == 7
    (line,) = [line for line in said.err.splitlines() if line.startswith("cvrun train: ")]
    assert line.startswith(f"cvrun train: {images}/") and f".png: {fact}, tried 3 times; " in line
    assert line.endswith(f"does the disk of {images} answer? worker_timeout=SECONDS waits longer")
    run = kit.run_folder(tmp_path)
    assert {name: kit.status(run)[name] for name in ("state", "resumable")} == {"state": "failed", "resumable": True}
    fault.arm("")
    assert call("resume", run).code == 0


def test_the_file_that_hangs_is_named(call, words, monkeypatch):
    hung = []

    def hang(source, form):
        if source.where.endswith("cat/07.png"):
            hung.append(source.where)
            time.sleep(30)
        return decode_from(source, form)

    monkeypatch.setattr(kept, "decode_from", hang)
    said = call(*words, "workers=1", "worker_timeout=0.3", "split.test=0")
    assert said.code == 7
    assert f"cvrun train: {hung[0]}: not done within worker_timeout=0.3 s, tried 3 times" in said.err
    assert len(hung) == 3


@pytest.mark.parametrize("workers", [0, 2])
def test_no_memory_is_no_reason_to_try_again(workers, call, words):
    fault.arm("decode.chunk@1=oom,decode.chunk@2=hang:60")
    said = call(*words, f"workers={workers}")
    assert said.code == 6
    assert ".png: not enough memory to decode it; set fewer workers or a smaller data.size" in said.err


def test_many_workers_of_which_some_fail_give_the_same_bits(manifest, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 3)
    monkeypatch.setattr(chunks, "SMALL", 0)
    rows = np.random.default_rng(0).permutation(40)

    def digest(workers, faults=""):
        fault.arm(faults)
        told = []
        found = memory.build_store(manifest, rows, workers, 0.3, told.append)
        assert sum(told) == 40 and found.index.tolist() == rows.tolist()
        return found.digest()

    plain = digest(0)
    failing = (
        "decode.chunk@2=hang:5,decode.chunk@3=raise,decode.chunk@5=raise,decode.chunk@9=hang:5,decode.chunk@14=exit"
    )
    assert [digest(1), digest(3), digest(8), digest(1, failing), digest(3, failing)] == [plain] * 5


def test_a_late_result_writes_nowhere(monkeypatch, manifest):
    """A try that was given up goes on: what it makes of its images then, wrong ones here, must not reach the array."""
    right = memory.build_store(manifest, np.arange(40), 0, 60, ignore)
    go, gone, calls = threading.Event(), threading.Event(), []

    def late(source, form):
        calls.append(source.where)
        found = decode_from(source, form)
        if len(calls) > 1:
            return found
        go.wait(20)
        threading.Timer(0.05, gone.set).start()
        return found._replace(pixels=255 - found.pixels)

    monkeypatch.setattr(kept, "decode_from", late)
    found = memory.build_store(manifest, np.arange(40), 1, 0.3, ignore)
    go.set()
    assert gone.wait(20)
    assert found.digest() == right.digest()
    assert len(calls) > 40


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_wait_for_a_worker(number, code, words, tmp_path):
    child = kit.Child((*words, "workers=1"), tmp_path, faults="decode.chunk=hang:60")
    child.wait_for(lambda: list(tmp_path.glob("outputs/f/*/spec.yaml")))
    time.sleep(0.2)
    child.send(number)
    assert child.wait(10).code == code


def test_a_hung_worker_does_not_keep_the_process(images):
    """A real process, since the kit's children end without looking for threads."""
    code = f"""
import numpy as np
from cvrun.data import folder
from cvrun.errors import StorageError
from cvrun.pipeline.memory import build_store
manifest = folder.build(folder.Config({str(images)!r}, 20, 3, "crop", None, None))
try:
    build_store(manifest, np.arange(40), 2, 0.1, lambda count: None)
except StorageError as error:
    print(error.exit_code)
"""
    faults = ",".join(f"decode.chunk@{visit}=hang:300" for visit in (1, 2, 3))
    environment = {**os.environ, "CVRUN_FAULT": faults}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr
