"""Commits that are written beside training: the loop waits for a copy of the state, not for hashes and the disk.

One commit is under way at a time and they are made in order, so what is on the disk is what a loop that waits would
have left there, a moment later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from cvrun import fault
from cvrun.errors import StorageError
from cvrun.stopping import start
from cvrun.trainer.checkpoint import KEEP, prune, write_best, write_state


class Saver:
    """Writes states and best weights in a thread of its own.

    Used as a context: leaving it waits for the commit under way, and raises its error unless another one is on its way.
    """

    def __init__(
        self,
        folder: Path,
        on_full_disk: str,
        say: Callable[[str], None],
        keep: int = KEEP,
        counts: Callable[[int], bool] = lambda step: True,
    ) -> None:
        """Begin with nothing under way.

        Args:
            folder: The run's checkpoints.
            on_full_disk: "stop": a commit that cannot be written ends the run; "go_on": it is said, and the next one
                is tried.
            say: Takes lines for the user, in the thread that calls this object.
            keep: Number of states that stay, of those that count.
            counts: Step -> whether a state of it does.
        """
        self._folder, self._go_on, self._say = folder, on_full_disk == "go_on", say
        self._keep, self._counts = keep, counts
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._missed: StorageError | None = None
        self._lines: list[str] = []
        self._copy: Any = None
        self._owed: tuple[int, float, Mapping[str, Any], Mapping[str, Tensor]] | None = None
        self._kept: tuple[str, ...] = ()

    def protect(self, names: Collection[str]) -> None:
        """Keep the commits of these names as well, whatever comes later: what this process went on from."""
        self._kept = (*self._kept, *names)

    def save(
        self,
        step: int,
        content: Mapping[str, Any],
        best: tuple[float, tuple[str, ...]] | None,
        best_step: int,
        then: Callable[[], None],
    ) -> None:
        """Commit content as the state after step updates; returns as soon as it is copied.

        Args:
            step: Optimizer steps done.
            content: meta, rng_scheme and state.
            best: Score, and the keys that lead to the weights inside content, where these are the best so far; they
                are committed first, and with the next state if they could not be, so that no state names weights that
                are not there.
            best_step: The step of the best weights that the state names.
            then: Called when all is committed, in the other thread.

        Raises:
            StorageError: If the commit before could not be written.
        """
        self.wait()
        # Best weights that are still to be written lie in the copy before.
        self._copy = copied(content, None if self._owed else self._copy)
        copy = self._copy

        def work() -> None:
            fault.point("checkpoint.copied")
            if best is not None:
                score, keys = best
                weights = copy
                for key in keys:
                    weights = weights[key]
                self._owed = (step, score, copy["meta"], weights)
            if self._owed is not None:
                write_best(self._folder, *self._owed)
                self._owed = None
            write_state(self._folder, step, copy)
            fault.point("checkpoint.before_prune")
            prune(self._folder, best_step, self._kept, self._lines.append, self._keep, self._counts)
            then()

        self._thread = threading.Thread(target=self._run, args=(work, step), name="checkpoint")
        start(self._thread)

    def look(self) -> None:
        """Say what there is to say, and raise what went wrong, without waiting; costs next to nothing."""
        if self._thread is not None and not self._thread.is_alive():
            self.wait()

    def wait(self) -> None:
        """Wait for the commit under way.

        Raises:
            StorageError: If it could not be written and the run is not to go on.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        while self._lines:
            self._say(self._lines.pop(0))
        error, self._error = self._error, None
        if error is not None:
            raise error

    def finish(self) -> None:
        """Wait for the commit under way, which must have been written.

        Raises:
            StorageError: If it could not be, even where the run went on before.
        """
        self.wait()
        if self._missed is not None:
            raise self._missed

    def __enter__(self) -> Saver:
        """Give the saver."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait; the error that ends the block comes before that of a commit."""
        try:
            self.wait()
        except BaseException as own:
            if error is None:
                raise
            self._say(f"the last commit failed as well: {own}")

    def _run(self, work: Callable[[], None], step: int) -> None:
        try:
            work()
            self._missed = None
        except StorageError as error:
            self._missed = error
            if self._go_on:
                self._lines.append(f"warning: {error}; step {step:,} is not committed, training goes on")
            else:
                self._error = error
        except BaseException as error:
            self._error = error


class NoSaver:
    """Writes nothing: of several ranks the first one does."""

    def protect(self, names: Collection[str]) -> None:
        """Do nothing."""

    def save(
        self,
        step: int,
        content: Mapping[str, Any],
        best: tuple[float, tuple[str, ...]] | None,
        best_step: int,
        then: Callable[[], None],
    ) -> None:
        """Do nothing."""

    def look(self) -> None:
        """Do nothing."""

    def wait(self) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""

    def __enter__(self) -> NoSaver:
        """Give the saver."""
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing."""


def copied(value: Any, into: Any) -> Any:
    """Give a copy of nested mappings and lists whose tensors lie on the CPU and share no memory with value.

    Args:
        value: Plain values and tensors.
        into: An earlier copy, whose memory is used again where shapes fit; it is worthless afterwards. Fresh memory
            costs ten times as much as the copying.
    """
    if isinstance(value, Tensor):
        if isinstance(into, Tensor) and (into.shape, into.dtype) == (value.shape, value.dtype):
            return into.copy_(value.detach())
        # Laid out as value: rearranged on the way, it would take several times as long.
        return torch.empty_like(value, device="cpu").copy_(value.detach())
    if isinstance(value, Mapping):
        found = into if isinstance(into, dict) else {}
        return {key: copied(entry, found.get(key)) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        before = into if isinstance(into, list | tuple) and len(into) == len(value) else [None] * len(value)
        return type(value)(copied(entry, old) for entry, old in zip(value, before, strict=True))
    return value
