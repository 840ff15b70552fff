"""Runs that are killed and signalled at drawn places, gone on with until they end, and compared to the last bit.

`python tests/faults/soak.py 500` is the long run (`make soak N=500`); test_property.py takes the first draws.
"""

import argparse
import contextlib
import json
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import kit

from cvrun import fault
from cvrun.trainer import checkpoint, commit

EVERYTHING = (
    "sampler=weighted",
    "augment.brightness=0.2",
    "optimizer.momentum=0.9",
    "scheduler=plateau",
    "scheduler.patience=1",
    "scheduler.warmup=2st",
    "early_stopping=patience",
    "early_stopping.patience=9",
    "trainer.accumulate=2",
    "trainer.ema_decay=0.9",
    "trainer.max_grad_norm=1",
    "logger=[jsonl,csv]",
    "cache=disk",
)
"""Whatever keeps state or draws numbers."""

CACHES = ("cold", "warm", "closed")
"""The folder for decoded images and statistics: empty, filled by an earlier run, or one that cannot be made."""

INTERVALS = ("2st", "1ep")
SIGNALS = ("SIGTERM", "SIGINT", "SIGUSR1", "SIGKILL")
POINTS = [name for name in fault.POINTS if name != "job.begin"]

_starting = threading.Lock()


@dataclass(frozen=True)
class Attempt:
    """How one process of a run is disturbed.

    Attributes:
        faults: What is armed in it.
        delay: [seconds] After which a signal is sent from outside, or None.
        signal: Its name.
        group: Whether it goes to the process group.
        twice: Whether it is sent twice.
        workers: Threads that decode.
    """

    faults: str
    delay: float | None
    signal: str
    group: bool
    twice: bool
    workers: int


@dataclass(frozen=True)
class Draw:
    """One drawn history of a run."""

    seed: int
    cache: str
    save_every: str
    eval_every: str
    attempts: tuple[Attempt, ...]


def draw(seed: int) -> Draw:
    """Give the history that follows from seed."""
    dice = random.Random(seed)
    attempts = []
    for _ in range(dice.randint(1, 3)):
        outside = dice.random() < 0.25
        visit = min(int(dice.expovariate(0.4)) + 1, 9)
        action = dice.choice(("kill", "kill", *SIGNALS))
        attempts.append(
            Attempt(
                faults="" if outside else f"{dice.choice(POINTS)}@{visit}={action}",
                delay=dice.uniform(0.0, 0.6) if outside else None,
                signal=dice.choice(SIGNALS),
                group=dice.random() < 0.5,
                twice=dice.random() < 0.3,
                workers=dice.randint(0, 3),
            )
        )
    return Draw(
        seed=seed,
        cache=dice.choice(CACHES),
        save_every=dice.choice(("1st", "2st", "5st", "1ep")),
        eval_every=dice.choice(INTERVALS),
        attempts=tuple(attempts),
    )


class Bench:
    """The images and the uninterrupted runs that histories are compared with."""

    def __init__(self, root: Path) -> None:
        """Make them below root."""
        self.root = root
        self.images = kit.make_images(root / "images")
        self.whole = {}
        for interval in INTERVALS:
            cwd = root / f"whole-{interval}"
            cwd.mkdir()
            self._start(self.words(interval, "1ep", 0), cwd, "", "warm").wait()
            self.whole[interval] = self.outcome(kit.run_folder(cwd))

    def words(self, eval_every: str, save_every: str, workers: int) -> tuple[str, ...]:
        keys = (f"data.root={self.images}", f"trainer.eval_every={eval_every}", f"trainer.save_every={save_every}")
        return ("train", *kit.QUICK, *EVERYTHING, *keys, f"workers={workers}")

    def outcome(self, folder: Path) -> tuple[str, list[dict]]:
        """Give the digest of the final state and the records, after looking whether all else is as it must be."""
        status = kit.status(folder)
        assert status["state"] == "finished", status
        kept = checkpoint.commits(folder / "checkpoints", "step") + checkpoint.commits(folder / "checkpoints", "best")
        for path in kept:
            commit.read(path)
        assert not list((folder / "checkpoints").glob(".tmp*")), "what a killed process left is still there"
        assert not list(folder.rglob(".*.tmp")), "a file that was not finished is still there"
        assert (folder / "checkpoints" / commit.POINTER).read_text().strip() in {path.name for path in kept}
        final = checkpoint.read(checkpoint.commits(folder / "checkpoints", "step")[0])
        assert final["state"]["step"] == status["step"]
        assert len((folder / "records.csv").read_text().splitlines()) == 1 + len(kit.records(folder))
        return status["digest"], kit.records(folder)

    def play(self, drawn: Draw) -> Counter:
        """Run a history to its end.

        Returns:
            How each process ended: exit code -> times.

        Raises:
            AssertionError: If the end is not that of the uninterrupted run, or a process ends in a way of its own.
        """
        cwd = Path(tempfile.mkdtemp(prefix=f"draw-{drawn.seed}-", dir=self.root))
        codes: Counter = Counter()
        for attempt in drawn.attempts:
            codes[self._disturbed(drawn, attempt, cwd)] += 1
        said = self._start(self.words(drawn.eval_every, drawn.save_every, 1), cwd, "", drawn.cache).wait()
        codes[said.code] += 1
        assert said.code == 0, said.err
        digest, records = self.outcome(kit.run_folder(cwd))
        expected = self.whole[drawn.eval_every]
        assert digest == expected[0], f"other bits: {digest} instead of {expected[0]}"
        assert records == expected[1], f"other records: {records}"
        shutil.rmtree(cwd)
        return codes

    def _disturbed(self, drawn: Draw, attempt: Attempt, cwd: Path) -> int:
        words = self.words(drawn.eval_every, drawn.save_every, attempt.workers)
        child = self._start(words, cwd, attempt.faults, drawn.cache)
        if attempt.delay is not None:
            time.sleep(attempt.delay)
            for _ in range(1 + attempt.twice):
                if child.process.is_alive():
                    # It may not have made its group yet, or be gone.
                    with contextlib.suppress(ProcessLookupError):
                        child.send(getattr(signal, attempt.signal), attempt.group)
                    time.sleep(0.02)
        said = child.wait()
        # Outside of cvrun, in the first moment of a process, a signal has its plain meaning.
        early = {-getattr(signal, attempt.signal)} if attempt.delay is not None else set()
        assert said.code in {0, 130, 143, 137, -signal.SIGKILL} | early, f"exit code {said.code}: {said.err}"
        assert "Traceback" not in said.err, said.err
        return said.code

    def _start(self, words, cwd: Path, faults: str, cache: str) -> kit.Child:
        place = {"cold": cwd / "cache", "warm": self.root / "cache", "closed": Path("/dev/null/cache")}[cache]
        with _starting:
            return kit.Child(words, cwd, faults, env={"CVRUN_CACHE": str(place)})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("draws", type=int, nargs="?", default=500, help="how many; default: 500")
    parser.add_argument("--first", type=int, default=0, help="seed of the first draw")
    parser.add_argument("--jobs", type=int, default=2, help="side by side; default: 2")
    given = parser.parse_args()
    began, codes, wrong = time.monotonic(), Counter(), []
    with tempfile.TemporaryDirectory(prefix="cvrun-soak-") as name:
        bench = Bench(Path(name))

        def one(seed: int) -> None:
            try:
                codes.update(bench.play(draw(seed)))
            except AssertionError as error:
                wrong.append(seed)
                print(f"draw {draw(seed)}: {error}", file=sys.stderr, flush=True)

        with ThreadPoolExecutor(given.jobs) as pool:
            for done, _ in enumerate(pool.map(one, range(given.first, given.first + given.draws)), 1):
                if done % 25 == 0:
                    print(f"{done} draws, {len(wrong)} wrong, {time.monotonic() - began:.0f} s", flush=True)
    ends = ", ".join(f"{times} x {code}" for code, times in sorted(codes.items()))
    print(f"{given.draws} draws, {sum(codes.values())} processes (exit codes {ends}), {time.monotonic() - began:.0f} s")
    print(json.dumps({"draws": given.draws, "mismatches": len(wrong), "seeds": wrong}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
