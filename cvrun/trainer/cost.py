"""What a run takes: wall time by what it went into, and memory at its peak; status.json holds both."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

PHASES = ("preprocess", "model", "train", "evaluate")
"""What time goes into: listing, checking and decoding images; building the model and its weights; steps with the
reading, augmentation and saving beside them; evaluations."""

EARLIER = "earlier"
"""Time of earlier processes of which nothing more is known."""


class Cost:
    """Time and memory of a run, earlier processes included.

    Every moment from the beginning on belongs to one phase, so that the phases sum to the wall time. The time that
    Python takes to start is before it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with preprocessing.

        Args:
            clock: -> [seconds], never falling.
        """
        self._clock = clock
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._peak: dict[str, float] = {}
        self._phase, self._since = PHASES[0], clock()
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            # Jobs of a sweep may share a process.
            torch.cuda.reset_peak_memory_stats()

    @contextmanager
    def on(self, phase: str) -> Iterator[None]:
        """Count what the block takes for a phase, and what follows for that of before."""
        before = self._switch(phase)
        try:
            yield
        finally:
            self._switch(before)

    def begin(self, phase: str) -> None:
        """Count from now on for a phase."""
        self._switch(phase)

    def add(self, status: Mapping[str, Any]) -> None:
        """Count also what the status of an earlier process says."""
        spent, peak = status.get("spent"), status.get("peak_memory")
        if not spent:
            spent = {EARLIER: status.get("seconds")} if status.get("seconds") else {}
        for phase, seconds in spent.items():
            self._seconds[phase] = self._seconds.get(phase, 0.0) + float(seconds or 0.0)
        for where, size in (peak or {}).items():
            self._peak[where] = max(self._peak.get(where, 0.0), float(size or 0.0))

    def seconds(self) -> dict[str, float]:
        """Give the wall time of each phase [seconds], to the millisecond."""
        self._switch(self._phase)
        return {phase: round(seconds, 3) for phase, seconds in self._seconds.items()}

    def peak_memory(self, device: torch.device) -> dict[str, int]:
        """Give the most memory that was in use at a time [bytes]: of the process, and of tensors on its GPU.

        Of the process it is what the system counts for all it has done, without its workers; of the GPU what torch
        allocated, without what it keeps in reserve.

        Args:
            device: Of the model.
        """
        unit = 1 if sys.platform == "darwin" else 1024
        now = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
        if device.type == "cuda":
            now["device"] = torch.cuda.max_memory_allocated(device)
        return {where: int(max(now.get(where, 0), self._peak.get(where, 0))) for where in {**now, **self._peak}}

    def _switch(self, phase: str) -> str:
        """Count the time since the last switch, and give the phase for which it was."""
        now, before = self._clock(), self._phase
        self._seconds[before] = self._seconds.get(before, 0.0) + now - self._since
        self._phase, self._since = phase, now
        return before
