"""Scalars for TensorBoard in the folder tensorboard (extra: tensorboard)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvrun.errors import ConfigError
from cvrun.logger import Header, Record


@dataclass(frozen=True)
class Config:
    """No keys."""


class TensorBoard:
    """Writes every number of a record at its step."""

    def __init__(self, folder: Path, writer: Any) -> None:
        """Write below folder with writer, torch's SummaryWriter class."""
        self._folder, self._class = folder, writer
        self._writer: Any = None

    def open(self, header: Header) -> None:
        """Begin an event file that replaces what an earlier process wrote after header.step."""
        # purge_step hides what lies at or after it, and records at header.step itself stay.
        self._writer = self._class(str(self._folder), purge_step=header.step + 1)

    def advance(self, step: int) -> None:
        """Do nothing."""

    def write(self, record: Record) -> None:
        """Write the numbers of record."""
        step = record["step"]
        for name, value in record.items():
            if isinstance(value, int | float) and "/" in name:
                self._writer.add_scalar(name, value, step)
        # A process that is killed would take up to two minutes of records with it.
        self._writer.flush()

    def say(self, text: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Write out and close."""
        if self._writer is not None:
            self._writer.close()


def build(config: Config, folder: Path) -> TensorBoard:
    """Give the logger of a run's folder.

    Raises:
        ConfigError: If the package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError("logger=tensorboard: the package is not installed", "pip install tensorboard") from error
    return TensorBoard(folder / "tensorboard", SummaryWriter)
