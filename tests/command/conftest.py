import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvrun.cli import main
from cvrun.data import ImageForm, Manifest
from cvrun.trainer import loop

QUICK = ("model.width=4", "trainer.epochs=3", "trainer.batch_size=300", "workers=0")
"""12 steps, 4 an epoch, an evaluation an epoch."""


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory) -> Path:
    """A finished run on the digits; nobody may change it."""
    root = tmp_path_factory.mktemp("finished")
    assert main(["train", *QUICK, f"output_root={root}"]) == 0
    return next(root.glob("run/*"))


@pytest.fixture
def finished(finished_once, tmp_path) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(finished_once, tmp_path / "outputs" / "run" / finished_once.name))


@pytest.fixture
def four(tmp_path):
    """Makes a manifest of four images of two classes below a folder; order and names may be others."""

    def four(folder, size=4, order=(0, 1, 2, 3), classes=("cat", "dog"), prefix=""):
        (tmp_path / folder).mkdir(exist_ok=True)
        names = [f"{prefix}{i}.png" for i in range(4)]
        for i, name in enumerate(names):
            Image.fromarray(np.full((3, 3), 10 * i, np.uint8)).save(tmp_path / folder / name)
        labels = np.array([classes.index(("cat", "dog")[i % 2]) for i in order])
        paths = tuple(tmp_path / folder / names[i] for i in order)
        return Manifest(tuple(p.name for p in paths), labels, classes, ImageForm(size, 1, "stretch"), paths=paths)

    return four


def every(manifest):
    return np.arange(len(manifest))


@pytest.fixture
def at_step(monkeypatch):
    """Do something in place of the update that follows `step` updates; None: at no step."""
    real = loop.update

    def at_step(step, action):
        def update(run, state, batch):
            return action(run, state, batch) if state.step == step else real(run, state, batch)

        monkeypatch.setattr(loop, "update", update)

    at_step.real = real
    return at_step


@pytest.fixture
def interrupted(call, at_step, tmp_path) -> Path:
    """A run that was stopped by Ctrl-C in the middle of its second epoch, after 6 of 12 steps."""

    def press(run, state, batch):
        os.kill(os.getpid(), signal.SIGINT)
        return at_step.real(run, state, batch)

    at_step(5, press)
    said = call("train", *QUICK)
    assert said.code == 130
    at_step(None, None)
    return next(tmp_path.glob("outputs/run/*"))


def files(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file below a folder, but for locks, with its time and hash: equal means untouched."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def records(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "time"} for row in rows]


def status(folder: Path) -> dict:
    return json.loads((folder / "status.json").read_text())


def damage(folder: Path) -> None:
    """Flip one bit in the middle of a commit."""
    (path,) = (path for path in folder.iterdir() if path.name in ("state.pt", "model.safetensors"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.fixture
def start(tmp_path):
    """Start python with a program in tmp_path; killed at the end if it still runs."""
    processes = []

    def start(program: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def tools():
    """The functions of this file, for tests of this folder."""
    return sys.modules[__name__]
