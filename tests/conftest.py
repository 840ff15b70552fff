import hashlib
import logging
import os
import signal
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from PIL import Image

from cvrun import environment
from cvrun.cli import main
from cvrun.stopping import NUMBERS

# A shell that starts the tests in the background lets them, and what they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)
environment.DEFAULT_THREADS = 1

# What several folders of tests share lies beside this file.
sys.path.insert(0, str(Path(__file__).parent))

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def unpacked(archive: str, folder: Path) -> Path:
    path = SHARED / f"{archive}.tar.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not here: this test needs the real data set {archive}")
    with tarfile.open(path) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive


@pytest.fixture(scope="session")
def cifar10_folder(tmp_path_factory) -> Path:
    """CIFAR-10's 50,000 training images as JPEG files, a folder a class."""
    return unpacked("cifar10-train", tmp_path_factory.mktemp("cifar10"))


@pytest.fixture(scope="session")
def blood_cells(tmp_path_factory) -> Path:
    """3,941 cell images with manifest.csv: path, label, slide."""
    return unpacked("blood-cells", tmp_path_factory.mktemp("blood"))


@pytest.fixture(scope="session")
def membrane(tmp_path_factory) -> Path:
    """22 serial sections through a tissue, images/ and masks/ of the same names."""
    return unpacked("membrane", tmp_path_factory.mktemp("membrane"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("CVRUN_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def own_signals():
    """A command that ends as a process would ignores signals from then on; the next test does not."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def image_folder(tmp_path) -> Path:
    """20 images of each of three classes, which differ in brightness; PNG, 12x10 pixels."""
    random = np.random.default_rng(0)
    root = tmp_path / "images"
    for number, name in enumerate(("cat", "dog", "owl")):
        (root / name).mkdir(parents=True)
        for i in range(20):
            pixels = random.integers(0, 60, (10, 12, 3)) + 80 * number
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i:02d}.png")
    return root


@pytest.fixture
def digest():
    """A sha256 over nested dicts, lists, numbers and tensors: equal means equal to the last bit."""

    def update(sha, value):
        if isinstance(value, dict):
            for key in sorted(value, key=str):
                sha.update(repr(key).encode())
                update(sha, value[key])
        elif isinstance(value, list | tuple):
            sha.update(f"{len(value)}".encode())
            for entry in value:
                update(sha, entry)
        elif isinstance(value, torch.Tensor):
            sha.update(f"{value.dtype}{tuple(value.shape)}".encode())
            sha.update(value.detach().cpu().contiguous().numpy().tobytes())
        else:
            sha.update(repr(value).encode())

    def of(value) -> str:
        sha = hashlib.sha256()
        update(sha, value)
        return sha.hexdigest()

    return of


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Run a command in tmp_path; give its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*words) -> Said:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as error:
            code = error.code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Said(code, out, err)

    return call


@pytest.fixture(autouse=True)
def no_stream_is_left_in_the_root_logger():
    """A handler that a library adds within a test keeps that test's stream, which is closed afterwards."""
    before = logging.root.handlers[:]
    yield
    for handler in logging.root.handlers[:]:
        if handler not in before and type(handler) is logging.StreamHandler:
            logging.root.removeHandler(handler)
