"""The kit of the fault tests: generated images, and runs of cvrun in processes that start in a moment.

A fork server imports torch once; each child forks from it. `soak.py` uses this without pytest.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
from PIL import Image

from cvrun.stopping import NUMBERS

CLASSES = ("ant", "bee", "cat", "dog")

QUICK = (
    "data=folder",
    "data.size=20",
    "model.width=4",
    "model.drop_rate=0.2",
    "augment=basic",
    "split.val=0.2",
    "split.test=0.1",
    "trainer.batch_size=8",
    "trainer.epochs=3",
    "trainer.log_every=1st",
    "threads=1",
    "workers=0",
    "name=f",
)
"""Three epochs of three steps over 28 training images, 8 for validation; give data.root as well."""

STEPS = 9

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["cvrun.command.train", "cvrun.command._execute", "sklearn.model_selection", "torch._dynamo", "kit"]
)
# An optimizer imports torch._dynamo, which takes more than a second.


@dataclass(frozen=True)
class Said:
    """How a command ended. code is negative when a signal killed it."""

    code: int
    out: str
    err: str


class Child:
    """A command of cvrun in its own process, which leads a process group of its own."""

    def __init__(self, words, cwd: Path, faults: str = "", env=None, out=None, limit=None, err=None, shared=False):
        """Start it.

        Args:
            words: Such as ("train", "data=folder").
            cwd: Where it works; what it prints goes to files there.
            faults: What CVRUN_FAULT would hold.
            env: Further variables.
            out: A file that takes its standard output instead, such as /dev/full.
            limit: [bytes] no file may grow beyond (RLIMIT_FSIZE).
            err: As out, for its standard error.
            shared: Whether the jobs of a sweep fork from the server that this process forks from, which is there
                already; else from one of its own, which takes two seconds.
        """
        self.cwd = cwd
        self._names = [cwd / f".{kind}-{time.monotonic_ns()}" for kind in ("out", "err")]
        if out is not None:
            self._names[0] = Path(out)
        if err is not None:
            self._names[1] = Path(err)
        main = sys.modules["__main__"]
        kept = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        # The child would import what runs the tests.
        main.__spec__ = None
        if kept[1] is not None:
            del main.__file__
        try:
            arguments = (
                [str(word) for word in words],
                str(cwd),
                faults,
                env or {},
                [str(n) for n in self._names],
                limit,
                shared,
            )
            self.process = _context.Process(target=_work, args=arguments)
            self.process.start()
        finally:
            main.__spec__ = kept[0]
            if kept[1] is not None:
                main.__file__ = kept[1]

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, number: int, group: bool = False) -> None:
        (os.killpg if group else os.kill)(self.pid, number)

    def err(self) -> str:
        """What it has written to standard error so far."""
        return self._names[1].read_text(errors="replace") if self._names[1].is_file() else ""

    def wait_for(self, condition, seconds: float = 60) -> None:
        """Wait until condition() holds; the child must still run then."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.is_alive(), f"it ended: {self.err()}"
            assert time.monotonic() < end, f"it did not happen in time: {self.err()}"
            time.sleep(0.005)

    def wait(self, seconds: float = 60) -> Said:
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise AssertionError(f"it did not end in {seconds} s: {self.err()}")
        out = self._names[0].read_text(errors="replace") if self._names[0].is_file() else ""
        code, told = self.process.exitcode, Path(f"{self._names[1]}.code")
        if code == 255 and told.exists():
            # The fork server now and then loses the code of a process that has ended.
            code = int(told.read_text())
        return Said(code, out, self.err())


def _work(words, cwd, faults, env, names, limit, shared):
    # Before the command begins and after it, a signal would show what Python says to it.
    signal.pthread_sigmask(signal.SIG_SETMASK, NUMBERS)
    os.setpgid(0, 0)
    for number in NUMBERS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for target, name in ((1, names[0]), (2, names[1])):
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(handle, target)
        os.close(handle)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", 1, closefd=False)
    os.environ.update({"OMP_NUM_THREADS": "1", **env})
    os.chdir(cwd)
    if limit is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if shared:
        # It has the server's address, and would start another one all the same.
        forkserver.ensure_running = forkserver._forkserver.ensure_running = lambda: None
    from cvrun import fault
    from cvrun.cli import main

    fault.arm(faults)
    code = 130
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        code = main(words)
    except KeyboardInterrupt:
        pass
    except SystemExit as error:
        code = error.code
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, NUMBERS)
        sys.stdout.flush()
        Path(f"{names[1]}.code").write_text(str(code))
        os._exit(code)


def run(words, cwd: Path, faults: str = "", seconds: float = 60, **more) -> Said:
    """Run a command of cvrun in a process of its own to its end."""
    return Child(words, cwd, faults, **more).wait(seconds)


def make_images(root: Path, each: int = 10, size: int = 20, seed: int = 0) -> Path:
    """40 generated images of 20 pixels, a folder for each of four classes, which differ in brightness."""
    random = np.random.default_rng(seed)
    for number, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for i in range(each):
            pixels = random.integers(0, 100, (size, size, 3)) + 50 * number
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i:02d}.png")
    return root


def run_folder(cwd: Path) -> Path:
    """The only run below cwd."""
    (path,) = (path for path in cwd.glob("outputs/f/*") if path.suffix == "")
    return path


def records(folder: Path) -> list[dict]:
    """The records without their times."""
    rows = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "time"} for row in rows]


def status(folder: Path) -> dict:
    return json.loads((folder / "status.json").read_text())
