"""One contender as a process: how long it takes, how much memory it holds, what it tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

EVERY = 0.2
"""[s] Between two looks at the memory."""

LONGEST = 600
"""[s] A contender may take."""


@dataclass
class Peak:
    """The most memory a process held with all that it started [MiB].

    Shared pages count once (proportional set size, /proc/PID/smaps_rollup), so worker processes are not counted twice.

    Attributes:
        own: Anonymous and shared memory.
        total: The same with mapped files, which the kernel can drop: libraries, cvrun's store.
    """

    own: float = 0.0
    total: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)

    def watch(self, pid: int) -> None:
        """Look again and again until done is set."""
        while not self.done.wait(EVERY):
            own = total = 0.0
            for each in family(pid):
                sizes = pss(each)
                own += sizes.get("Pss_Anon", 0) + sizes.get("Pss_Shmem", 0)
                total += sizes.get("Pss", 0)
            self.own, self.total = max(self.own, own / 1024), max(self.total, total / 1024)


def family(pid: int) -> list[int]:
    """Give pid and the processes below it."""
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    except OSError:
        pass
    return found


def pss(pid: int) -> dict[str, int]:
    """Give the entries of smaps_rollup [KiB]; none where the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def run(command: list[str], result: Path, log: Path, environment: dict[str, str]) -> dict:
    """Give what a contender told, with its wall time [s] and peaks [MiB]; or {"failed": why}."""
    result.unlink(missing_ok=True)
    peak = Peak()
    with log.open("w") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=os.environ | environment
        )
        watcher = threading.Thread(target=peak.watch, args=(process.pid,), daemon=True)
        watcher.start()
        try:
            code = process.wait(LONGEST)
        except BaseException as error:
            for each in reversed(family(process.pid)):
                os.kill(each, signal.SIGKILL)
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            code = f"more than {LONGEST} s"
        wall = time.perf_counter() - began
    peak.done.set()
    watcher.join()
    if code != 0 or not result.is_file():
        tail = log.read_text(errors="replace").strip().splitlines()[-1:]
        return {"failed": f"exit {code}: {' '.join(tail)[:300]}"}
    return {**json.loads(result.read_text()), "wall": wall, "own": peak.own, "total": peak.total}
