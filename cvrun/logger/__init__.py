"""Loggers: where the records of a run go. `jsonl` is the truth; every other logger may fail or be left out.

Contract of an option module: a flat frozen dataclass `Config` and `build(config: Config, folder: Path) -> Logger`.
To add one, write `cvrun/logger/NAME.py` and `configs/logger/NAME.yaml` (with `# @package logger.NAME` on top and
`option: NAME`). A record is a flat dict: `step`, `epoch`, `time`, and `split/name` values such as `val/accuracy`.

`jsonl` and `console` are called by the thread that trains. Every other logger works in a thread of its own behind a
queue (`_queued.py`): it may be slow, raise or hang, is left out after three errors in a row or one in `open`, and at
the end of a run all have five seconds together. `build` is called in the training thread: it must contact nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Record = Mapping[str, float | int | str | None]


@dataclass(frozen=True)
class Header:
    """What a logger may say before the first step.

    Attributes:
        lines: Pairs of a name and a text that describe the plan.
        step: The step at which this process starts; > 0 after a resume.
        evaluated: The step of the last evaluation that counts; the record of a later one is written anew.
        total_steps: Optimizer steps of the whole run.
        steps_per_epoch: Optimizer steps an epoch.
        batch_size: Images a step.
        monitor: Name of the monitored metric, such as "val/accuracy".
    """

    lines: tuple[tuple[str, str], ...]
    step: int
    evaluated: int
    total_steps: int
    steps_per_epoch: int
    batch_size: int
    monitor: str


class Logger(Protocol):
    """Takes what happens, in this order: open, any number of advance, write and say, close."""

    def open(self, header: Header) -> None:
        """Begin; on a resume, forget what an earlier process wrote about steps after header.step."""

    def advance(self, step: int) -> None:
        """Learn that step updates are done; called after each update, so it must cost next to nothing.

        Not called where a queue is between: news of each step would fill it.
        """

    def write(self, record: Record) -> None:
        """Take a record."""

    def say(self, text: str) -> None:
        """Take a line for the person who watches."""

    def close(self) -> None:
        """End; called once, also after an error."""


class Truth(Logger, Protocol):
    """The logger whose records count."""

    def sync(self) -> None:
        """Make every record so far durable, also if the power fails now."""
