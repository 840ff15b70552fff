"""The plan, progress with images/s and remaining time, and a line an evaluation, on standard error."""

from __future__ import annotations

import os
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cvrun.errors import printable
from cvrun.logger import Header, Record

_REFRESH = 0.2
"""[seconds] between two drawings of the progress bar."""


@dataclass(frozen=True)
class Config:
    """No keys."""


class ConsoleLogger:
    """Draws a progress bar on a terminal; elsewhere writes plain lines only."""

    def __init__(self) -> None:
        """Write to standard error; rich honours NO_COLOR and the terminal's width."""
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
        # rich would redirect standard output and leave the process.
        self._console.on_broken_pipe = _closed  # type: ignore[method-assign]
        self._progress: Progress | None = None
        self._header: Header | None = None
        self._drawn = self._began = 0.0

    def open(self, header: Header) -> None:
        """Show the plan and start the bar."""
        self._header = header
        width = max((len(name) for name, _ in header.lines), default=0) + 2
        folded = self._console.is_terminal or "COLUMNS" in os.environ
        for name, text in header.lines:
            room = max(self._console.width - width, 20) if folded else max(len(text), 1)
            rows = textwrap.wrap(printable(text), room, break_long_words=False, break_on_hyphens=False)
            self.say((f"{name:<{width}}" + f"\n{'':<{width}}".join(rows)).rstrip())
        self._began = self._drawn = time.monotonic()
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.fields[rate]}"))
            self._progress = Progress(
                *columns, TimeRemainingColumn(), console=self._console, auto_refresh=False, transient=True
            )
            self._progress.add_task("", total=header.total_steps, completed=header.step, rate="")
            self._progress.start()

    def advance(self, step: int) -> None:
        """Draw the bar where that is due."""
        if self._progress is None or self._header is None or time.monotonic() - self._drawn < _REFRESH:
            return
        self._drawn = time.monotonic()
        rate = (step - self._header.step) * self._header.batch_size / (self._drawn - self._began)
        epoch, total = step / self._header.steps_per_epoch, self._header.total_steps // self._header.steps_per_epoch
        task = self._progress.task_ids[0]
        shown = f"{rate:,.0f} images/s"
        self._progress.update(task, completed=step, description=f"epoch {epoch:.1f}/{total}", rate=shown, refresh=True)

    def write(self, record: Record) -> None:
        """Write a line for an evaluation; log points only move the bar."""
        if self._header is None or not any(name.startswith("val/") for name in record):
            return
        names = dict.fromkeys(("train/loss", "val/loss", "val/accuracy", self._header.monitor))
        values = [(name, record[name]) for name in names if isinstance(record.get(name), int | float)]
        width = len(f"{self._header.total_steps // self._header.steps_per_epoch}")
        shown = "  ".join(f"{name} {value:.4f}" for name, value in values)
        self.say(f"epoch {float(record['epoch'] or 0):{width + 2}.1f}  {shown}")

    def say(self, text: str) -> None:
        """Write a line, above the bar."""
        self._console.print(text)

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _closed() -> None:
    raise BrokenPipeError("nobody reads standard error")


def build(config: Config, folder: Path) -> ConsoleLogger:
    """Give the logger; folder is not used, since nothing is written there."""
    return ConsoleLogger()
