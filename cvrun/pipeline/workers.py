"""Threads that work through chunks; one that hangs or dies is replaced, and its chunk tried again."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Generic, TypeVar

from cvrun.errors import CvrunError
from cvrun.stopping import start

TRIES = 3
"""How often a chunk is begun before the work is given up."""

AHEAD = 2
"""[chunks a worker] that may be done and not yet taken, which bounds the memory."""

_LONGEST_WAIT = 60.0
"""[s] A lock cannot be waited for without end, and the timeout may be infinite."""

S = TypeVar("S")
T = TypeVar("T")


class GivenUpError(Exception):
    """A chunk at which TRIES workers hung or died; says how the last one did."""

    def __init__(self, chunk: int, fact: str) -> None:
        """Keep the chunk, for whoever knows what it stands for."""
        super().__init__(fact)
        self.chunk = chunk


def work_through(
    work: Callable[[int], T], chunks: Iterable[int], workers: int, timeout: float
) -> Iterator[tuple[int, T]]:
    """Give each chunk with its result, in the order in which they are done.

    A worker that has not finished its chunk within timeout, or died of an error, is replaced by a fresh one that begins
    with that chunk. The result of a try that was given up counts if it comes after all: it is the same.

    Args:
        work: Gives the result of a chunk, in any thread, the same at every try. An error for the user ends the work.
        chunks: Each once.
        workers: Threads; 0 works in this one, where nothing is replaced: what hangs hangs, and any error is raised.
        timeout: [s] Of one try.

    Raises:
        GivenUpError: If TRIES tries of a chunk failed.
        CvrunError: What work raises.
    """
    if workers == 0:
        yield from ((chunk, work(chunk)) for chunk in chunks)
        return
    with closing(_Crew(work, iter(chunks), workers, timeout)) as crew:
        for chunk, result in crew.results():
            crew.release()
            yield chunk, result


def in_order(work: Callable[[S], T], pieces: Iterable[S], workers: int, timeout: float) -> Iterator[T]:
    """Give the result of each piece in the order of the pieces, as work_through works; the memory is bounded as well.

    Args:
        work: Gives the result of a piece, in any thread, the same at every try.
        pieces: Taken one by one, in some thread, shortly before each is worked on; there may be no end of them.
        workers: Threads; 0 works in this one.
        timeout: [s] Of one try.

    Raises:
        GivenUpError: If TRIES tries of a piece failed; its chunk is the number of the piece.
        CvrunError: What work raises.
    """
    if workers == 0:
        yield from map(work, pieces)
        return
    begun: dict[int, S] = {}

    def numbers() -> Iterator[int]:
        for number, piece in enumerate(pieces):
            begun[number] = piece
            yield number

    with closing(_Crew(lambda number: work(begun[number]), numbers(), workers, timeout)) as crew:
        early: dict[int, T] = {}
        wanted = 0
        for number, result in crew.results():
            early[number] = result
            while wanted in early:
                begun.pop(wanted)
                crew.release()
                yield early.pop(wanted)
                wanted += 1


class _Worker(Generic[T]):
    """A thread that takes chunks until there are none, one fails, or it is lost.

    Attributes:
        chunk: What it works on; None: nothing.
        began: [s] When it began that.
        lost: Whether another one works in its place.
    """

    def __init__(self, crew: _Crew[T], chunk: int | None) -> None:
        """Start it; with a chunk it begins with that one."""
        self._crew = crew
        self.chunk, self.began, self.lost = chunk, time.monotonic(), False
        # Nobody waits for a daemon: a disk that never answers must not keep the process from ending.
        start(threading.Thread(target=self._run, name="decode", daemon=True))

    def _run(self) -> None:
        while self.chunk is not None or self._crew.give(self):
            assert self.chunk is not None
            try:
                self._crew.take_in(self, self._crew.work(self.chunk))
            # Whatever ends a thread is for the one who waits for it.
            except BaseException as error:
                self._crew.take_in(self, error)
                return


class _Crew(Generic[T]):
    """The workers of one call; what they share is changed under one lock."""

    def __init__(self, work: Callable[[int], T], chunks: Iterator[int], workers: int, timeout: float) -> None:
        """Start the workers."""
        self.work, self._timeout = work, timeout
        self._todo: Iterator[int] | None = chunks
        self._missing: set[int] = set()
        self._tries: Counter[int] = Counter()
        self._done: deque[tuple[_Worker[T], int, T | BaseException]] = deque()
        self._held, self._limit = 0, (AHEAD + 1) * workers
        self._broken: BaseException | None = None
        # Reentrant, since the handler of a signal may raise in this thread while it has the lock.
        self._lock = threading.RLock()
        self._ready, self._room = threading.Condition(self._lock), threading.Condition(self._lock)
        with self._lock:
            self._workers = [_Worker(self, None) for _ in range(workers)]

    def results(self) -> Iterator[tuple[int, T]]:
        """Give each chunk with its result, once; who takes it says release when it is out of the way."""
        while self._todo is not None or self._missing:
            found = self._next_done()
            if found is not None and found[1] in self._missing:
                worker, chunk, outcome = found
                if isinstance(outcome, CvrunError):
                    raise outcome
                if not isinstance(outcome, BaseException):
                    self._missing.remove(chunk)
                    yield chunk, outcome
                elif not worker.lost:
                    self._replace(worker, chunk, f"{type(outcome).__name__}: {outcome}", outcome)
            self._replace_overdue()
        if self._broken is not None:
            raise self._broken

    def close(self) -> None:
        """Let every worker end after the chunk that it works on; nobody waits for that."""
        with self._lock:
            self._todo = None
            self._room.notify_all()

    def release(self) -> None:
        """Make room for one more chunk."""
        with self._lock:
            self._held -= 1
            self._room.notify()

    def give(self, worker: _Worker[T]) -> bool:
        """Give a worker its next chunk; False: it is not needed any more."""
        with self._lock:
            while not worker.lost and self._todo is not None and self._held >= self._limit:
                self._room.wait()
            if worker.lost or self._todo is None:
                return False
            try:
                worker.chunk = next(self._todo, None)
            except BaseException as error:
                self._broken = error
            if worker.chunk is None:
                self._todo = None
                self._ready.notify()
                self._room.notify_all()
                return False
            self._missing.add(worker.chunk)
            self._tries[worker.chunk] += 1
            self._held, worker.began = self._held + 1, time.monotonic()
            return True

    def take_in(self, worker: _Worker[T], outcome: T | BaseException) -> None:
        """Take what a worker has made of its chunk."""
        with self._lock:
            assert worker.chunk is not None
            self._done.append((worker, worker.chunk, outcome))
            worker.chunk = None
            self._ready.notify()

    def _next_done(self) -> tuple[_Worker[T], int, T | BaseException] | None:
        """Give what comes next, or None when a worker may be overdue by now."""
        with self._lock:
            if not self._done and (self._todo is not None or self._missing):
                now = time.monotonic()
                began = min((worker.began for worker in self._workers if worker.chunk is not None), default=now)
                # A signal interrupts it.
                self._ready.wait(min(max(began + self._timeout - now, 0), _LONGEST_WAIT))
            return self._done.popleft() if self._done else None

    def _replace_overdue(self) -> None:
        with self._lock:
            end = time.monotonic() - self._timeout
            for worker in [worker for worker in self._workers if worker.began <= end]:
                if worker.chunk is not None:
                    self._replace(worker, worker.chunk, f"not done within worker_timeout={self._timeout:g} s", None)

    def _replace(self, worker: _Worker[T], chunk: int, fact: str, error: BaseException | None) -> None:
        """Put a fresh worker in a worker's place, to begin with its chunk where that is still missing."""
        again = chunk in self._missing
        if again and self._tries[chunk] == TRIES:
            raise GivenUpError(chunk, fact) from error
        self._tries[chunk] += again
        with self._lock:
            worker.lost = True
            self._workers[self._workers.index(worker)] = _Worker(self, chunk if again else None)
