"""A job of a sweep in a process of its own, so that nothing that ends it ends the sweep."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from types import ModuleType
from typing import cast

from cvrun import fault, stopping
from cvrun.command._job import Ending, attempt, train
from cvrun.command._output import say
from cvrun.command._signals import Relay, hear
from cvrun.errors import CvrunError
from cvrun.folder import RunFolder, now
from cvrun.spec import Spec

_IMPORTED_ONCE = ("cvrun.command._apart", "cvrun.command._execute")
"""What every job needs and takes a second or more to import."""

_LIBRARIES = ("timm", "torchvision")
"""What some jobs need and takes seconds to import; an option that needs one has its name."""

_LOOK = 0.2
"""[seconds] between two looks at whether another process of the sweep got a signal."""

_LEAVE = 30
"""[seconds] that a process may take to end when its job has ended."""


@dataclass(frozen=True)
class _Task:
    """What the process of a job is given.

    Attributes:
        spec: What to train.
        words: What `cvrun train` would have to be given for it.
        number: Its place in the sweep, from 0.
        environment: The variables.
        group: The process group of the sweep.
    """

    spec: Spec
    words: tuple[str, ...]
    number: int
    environment: dict[str, str]
    group: int


def serve(spec: Spec) -> None:
    """Start the process that jobs fork from, unless it runs: it imports torch once, and the libraries of spec."""
    chosen = {choice.option for choice in spec.parts.values()}
    forkserver.set_forkserver_preload([*_IMPORTED_ONCE, *(name for name in _LIBRARIES if name in chosen)])
    kept = dict(os.environ)
    # Python would look for modules in the working directory first, where a user's file may have the name of one.
    os.environ.update(PYTHONPATH=os.pathsep.join(path or os.getcwd() for path in sys.path), PYTHONSAFEPATH="1")
    # Of a job that was killed; they are removed, which is all that matters.
    quiet = "ignore::UserWarning:multiprocessing.resource_tracker"
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), quiet]))
    # It inherits what is blocked, and so lives through what is sent to the whole group; a job lets signals in again.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, stopping.NUMBERS)
    try:
        with _without_main():
            # Lets signals in when it has started its process.
            resource_tracker.ensure_running()
            signal.pthread_sigmask(signal.SIG_BLOCK, stopping.NUMBERS)
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.environ.clear()
        os.environ.update(kept)


def train_apart(compose: Callable[[], Spec], words: tuple[str, ...], number: int, relay: Relay) -> Ending:
    """Train in a process of its own; signals that come meanwhile are passed on to it.

    Args:
        compose: Gives what the user wants; called in this process.
        words: What `cvrun train` would have to be given for it.
        number: The job's place in the sweep, from 0.
        relay: Takes the signals of this process.

    Raises:
        CvrunError: If compose does.
    """
    spec = compose()
    serve(spec)
    answer, their_answer = multiprocessing.Pipe(duplex=False)
    their_line, line = multiprocessing.Pipe(duplex=False)
    # The streams as they are now: the server may have been started with others.
    streams = [Connection(os.dup(stream), readable=False) for stream in (1, 2)]
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    task = _Task(spec, words, number, dict(os.environ), os.getpgrp())
    process = multiprocessing.get_context("forkserver").Process(
        target=_begin, args=(task, their_line, their_answer, streams)
    )
    relay.connect(line)
    try:
        with _without_main():
            process.start()
        for end in (their_line, their_answer, *streams):
            end.close()
        ending = _await(process, answer, relay)
        process.join(None if ending is None else _LEAVE)
        if process.exitcode is None:
            process.kill()
            process.join()
        return ending or _died(spec, process.exitcode or 0, relay.stopped)
    finally:
        relay.connect(None)
        # A job that still runs takes this for the end of the sweep.
        line.close()
        answer.close()


def _await(process: ForkServerProcess, answer: Connection, relay: Relay) -> Ending | None:
    """Wait until the process has said how its job ended, or has ended without a word (None)."""
    waiting: list[Connection | int] = [answer, process.sentinel]
    while True:
        ready = wait(waiting, _LOOK)
        relay.look()
        if answer in ready or (process.sentinel in ready and answer.poll()):
            try:
                return cast(Ending, answer.recv())
            except EOFError:
                return None
        if process.sentinel in ready:
            if process.exitcode != 255:
                return None
            # The server is what has died, and the job goes on without it.
            waiting = [answer]


def _died(spec: Spec, code: int, stopped: int | None) -> Ending:
    """Give how a process ended that did not say so itself, and write it into the status of its run."""
    from cvrun.prepare import address

    code = code if code >= 0 else 128 - code
    number = code - 128
    if stopped and number in stopping.NUMBERS:
        state, said, reason = "interrupted", "interrupted", "stopped at once by a second signal"
    elif number in signal.valid_signals():
        state, said = "failed", f"killed by {signal.Signals(number).name} (exit code {code})"
        reason = said
    else:
        state, said = "failed", f"exited with code {code}"
        reason = said
    say(f"cvrun train: {said}")
    folder = address(spec)
    try:
        _note_end(folder, state, reason)
    except CvrunError as error:
        say(f"cvrun train: {error}")
    return Ending(said, code or 1)


def _note_end(folder: RunFolder, state: str, reason: str) -> None:
    if (folder.read_status() or {}).get("state") != "running":
        return
    with folder.hold():
        status = folder.read_status() or {}
        if status.get("state") == "running":
            folder.write_status({**status, "state": state, "reason": reason, "resumable": True, "updated": now()})


def _begin(task: _Task, line: Connection, answer: Connection, streams: list[Connection]) -> None:
    """Do the job: what runs in its process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping.NUMBERS)
    # Another group where the server was started by the process that this one descends from.
    with contextlib.suppress(OSError):
        os.setpgid(0, task.group)
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream.fileno(), number)
        stream.close()
    os.environ.clear()
    os.environ.update(task.environment)
    # The point counts the jobs of the sweep: job.begin@2 is the second one.
    fault.arm(os.environ.get("CVRUN_FAULT", ""), {"job.begin": task.number})
    hear(line)

    def work() -> Ending:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, stopping.NUMBERS)
        try:
            with stopping.ending():
                fault.point("job.begin")
                return train(task.spec, task.words)
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, stopping.NUMBERS)

    ending = attempt(work)
    with contextlib.suppress(OSError):
        answer.send(ending)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide the program that was started: a new process would import it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
