"""Scalars for TensorBoard in the folder tensorboard (extra: tensorboard)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvrun.errors import ConfigError
from cvrun.folder import RunFolder
from cvrun.logger import Header, Record
from cvrun.logger._records import read_records, stays


@dataclass(frozen=True)
class Config:
    """No keys."""


class TensorBoard:
    """Writes every number of a record at its step."""

    def __init__(self, folder: RunFolder, writer: Any) -> None:
        """Write to the folder tensorboard of a run with writer, torch's SummaryWriter class."""
        self._folder, self._class = folder, writer
        self._writer: Any = None

    def open(self, header: Header) -> None:
        """Begin an event file with the records that stay, in place of those of earlier processes.

        TensorBoard reads files in the order of the clock times in their names, and the last records of a process that
        was killed may not have come here: with one file from the truth, neither can make a curve wrong.
        """
        target = self._folder.path / "tensorboard"
        for old in target.glob("events.out.tfevents.*"):
            old.unlink()
        # Tells a TensorBoard that runs meanwhile to forget what it has read.
        self._writer = self._class(str(target), purge_step=0)
        for record in read_records(self._folder.records):
            if stays(record, header):
                self._add(record)
        self._writer.flush()

    def advance(self, step: int) -> None:
        """Do nothing."""

    def write(self, record: Record) -> None:
        """Write the numbers of record."""
        self._add(record)
        # A process that is killed would take up to two minutes of records with it.
        self._writer.flush()

    def say(self, text: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Write out and close."""
        if self._writer is not None:
            self._writer.close()

    def _add(self, record: Record) -> None:
        for name, value in record.items():
            if isinstance(value, int | float) and "/" in name:
                self._writer.add_scalar(name, value, record["step"])


def build(config: Config, folder: Path) -> TensorBoard:
    """Give the logger of a run's folder.

    Raises:
        ConfigError: If the package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError("logger=tensorboard: the package is not installed", "pip install tensorboard") from error
    return TensorBoard(RunFolder(folder), SummaryWriter)
