"""Fault points: named places at which a test can make a run fail; they do nothing unless CVRUN_FAULT arms them.

`CVRUN_FAULT="checkpoint.before_rename@2=kill,step.begin@7=SIGTERM"` kills the process at the second visit of the first
point and sends it a signal at the seventh visit of the other. Without "@N" it is the first visit. Each fires once. Of
several processes that train together, `step.begin@2#1=kill` is for rank 1 alone.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cvrun.errors import ConfigError, did_you_mean

POINTS = {
    "start.planned": "the plan stands, nothing is written",
    "start.held": "the folder is held, plan and spec are not written",
    "start.decoded": "the images are decoded, nothing is restored",
    "decode.chunk": "a worker begins a chunk of images",
    "store.mid_write": "some images of a store on disk are about to be written",
    "store.before_rename": "a store on disk is whole, under its temporary name",
    "stream.image": "an image is about to be decoded for its batch",
    "step.begin": "a batch is there, the update has not begun",
    "step.updated": "the weights are updated, nothing is recorded",
    "evaluate.batch": "a batch of an evaluation is there",
    "evaluate.done": "an evaluation is over, its record is not written",
    "record.write": "a line of records.jsonl is about to be written",
    "record.written": "a line of records.jsonl is written",
    "checkpoint.copied": "the state is copied, nothing of the commit is written",
    "checkpoint.mid_write": "half of a file of the commit is written",
    "checkpoint.before_manifest": "all files but the manifest are written",
    "checkpoint.before_rename": "the temporary folder is whole",
    "checkpoint.after_rename": "the commit has its name, the pointer is old",
    "checkpoint.before_prune": "the commit is verified, nothing is pruned",
    "checkpoint.mid_prune": "one old commit is removed",
    "ledger.write": "a line of the ledger of test sets is about to be written",
    "ledger.written": "it is written, and may not be on the disk",
    "test.opened": "it is on the disk, the run has no copy and the model has seen no image",
    "predictions.write": "predictions are about to be written",
    "file.before_replace": "a file is written under its temporary name",
    "finish.begin": "training is over, the last evaluation has not begun",
    "job.begin": "a job of a sweep begins in its process",
}
"""Every fault point and what has happened where it stands."""


@dataclass
class _Fault:
    """What is to happen at a point.

    Attributes:
        visits: How many more times the point is passed before it fires; 0 or less: it has fired.
        act: What happens then.
    """

    visits: int
    act: Callable[[], None]


_armed: dict[str, list[_Fault]] = {}
_lock = threading.Lock()


def point(name: str) -> None:
    """Do what CVRUN_FAULT asks for at this place: nothing, unless a test armed it."""
    if _armed:
        _visit(name)


def arm(text: str, visited: Mapping[str, int] | None = None) -> None:
    """Arm the faults that text describes, in place of those before; an empty text disarms all.

    Args:
        text: `POINT[@VISIT][#RANK]=ACTION`, separated by commas. An action is kill (ends the process as SIGKILL would,
            but sooner), the name of a signal, abort, exit:CODE, hang:SECONDS, or an error: raise, enospc, oom.
        visited: Point -> visits that processes before this one have made.

    Raises:
        ConfigError: If a point or an action does not exist.
    """
    _armed.clear()
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"([a-z_.]+)(?:@([1-9]\d*))?(?:#(\d+))?=(\w+)(?::([\d.]+))?", part)
        if match is None or match[1] not in POINTS:
            near = did_you_mean(match[1], POINTS) if match else ""
            raise ConfigError(f"CVRUN_FAULT={part}: expected POINT[@VISIT]=ACTION with a known point", near)
        action = _action(match[1], match[4], match[5])
        if match[3] in (None, os.environ.get("RANK")):
            visits = int(match[2] or 1) - (visited or {}).get(match[1], 0)
            _armed.setdefault(match[1], []).append(_Fault(visits, action))


def _visit(name: str) -> None:
    due = []
    with _lock:
        for fault in _armed.get(name, ()):
            fault.visits -= 1
            if fault.visits == 0:
                due.append(fault)
    for fault in due:
        fault.act()


def _action(point_name: str, word: str, value: str | None) -> Callable[[], None]:
    if word.startswith("SIG"):
        number = getattr(signal, word, None)
        if isinstance(number, signal.Signals):
            return lambda: os.kill(os.getpid(), number)
    plain: dict[str, Callable[[], None]] = {
        "kill": lambda: os._exit(137),
        "abort": os.abort,
        "exit": lambda: _raise(SystemExit(int(value or 1))),
        "hang": lambda: time.sleep(float(value or 3600)),
        "raise": lambda: _raise(RuntimeError(f"fault at {point_name}")),
        "enospc": lambda: _raise(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
        "oom": lambda: _raise(MemoryError()),
    }
    if word not in plain:
        raise ConfigError(f"CVRUN_FAULT={point_name}={word}: expected a signal or one of {', '.join(plain)}")
    return plain[word]


def _raise(error: BaseException) -> None:
    raise error


arm(os.environ.get("CVRUN_FAULT", ""))
