"""A run's folder: the names in it, writing that cannot leave half a file, the status and the lock.

<output_root>/<name>/<run id>/  spec.yaml  plan.yaml  data.csv  changes.jsonl  status.json  records.jsonl
                                checkpoints/  predictions/
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cvrun import fault
from cvrun.errors import ConfigError, StorageError
from cvrun.lock import is_locked, lock


@dataclass(frozen=True)
class RunFolder:
    """Where a run lives.

    Attributes:
        path: The folder.
        ours: Whether this process writes there; of several that train together one does.
    """

    path: Path
    ours: bool = True

    @property
    def spec(self) -> Path:
        """The composed configuration, as text."""
        return self.path / "spec.yaml"

    @property
    def plan(self) -> Path:
        """Every number that the configuration and the data led to."""
        return self.path / "plan.yaml"

    @property
    def changes(self) -> Path:
        """What was changed after the start, one line each time."""
        return self.path / "changes.jsonl"

    @property
    def data(self) -> Path:
        """Which images the run was started with."""
        return self.path / "data.csv"

    @property
    def status(self) -> Path:
        """State, reason, step, score."""
        return self.path / "status.json"

    @property
    def records(self) -> Path:
        """One line an evaluation or log point."""
        return self.path / "records.jsonl"

    @property
    def diverged(self) -> Path:
        """What is known of the step at which numbers were not finite any more."""
        return self.path / "diverged.json"

    @property
    def log(self) -> Path:
        """What was said while the run worked, with the time of each line."""
        return self.path / "log.txt"

    @property
    def warnings(self) -> Path:
        """What libraries warned of, each once, with the time at which it was new."""
        return self.path / "warnings.log"

    @property
    def checkpoints(self) -> Path:
        """Committed states and best weights."""
        return self.path / "checkpoints"

    @property
    def predictions(self) -> Path:
        """Probabilities and targets of evaluations."""
        return self.path / "predictions"

    def read_status(self) -> dict[str, Any] | None:
        """Give the status as last written, or None where there is none that can be read and is of the right kinds."""
        try:
            content = json.loads(self.status.read_text()) if self.status.is_file() else None
        except (OSError, ValueError, RecursionError):
            return None
        return content if isinstance(content, dict) and all(map(_fits, content, content.values())) else None

    def write_status(self, status: dict[str, Any]) -> None:
        """Replace the status; numbers that are not finite become null."""
        self.write(self.status, json.dumps(finite(status), indent=2).encode() + b"\n")

    def write(self, path: Path, content: bytes) -> None:
        """Write a file of the run as write_atomic does, where this process is the one that writes.

        Raises:
            StorageError: If it cannot be written.
        """
        if self.ours:
            write_atomic(path, content)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the folder for this process, creating it where needed; the kernel lets go when the process ends.

        Where another process is the one that writes, that one holds it.

        Raises:
            ConfigError: If another process holds it.
            StorageError: If the folder cannot be created or locked.
        """
        if not self.ours:
            yield
            return
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with storage_errors(self.path / ".lock"):
                if not lock(handle):
                    holder = os.pread(handle, 500, 0).decode(errors="replace").strip() or "another process"
                    raise ConfigError(f"{self.path}: this run is held by {holder}", "wait for it or stop it")
                self._tidy()
                os.truncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()} since {now()}".encode(), 0)
            yield
        finally:
            os.close(handle)

    def _tidy(self) -> None:
        """Remove what killed processes left of files that write_atomic had not finished."""
        for folder in (self.path, self.checkpoints, self.predictions):
            for path in folder.glob(".*.tmp"):
                path.unlink(missing_ok=True)

    def is_held(self) -> bool:
        """Whether a process holds the folder."""
        return is_locked(self.path / ".lock")

    def set_aside(self) -> Path:
        """Move everything but the lock to a free sibling name, such as 3fa9c1d2.1, and give that."""
        number = 1
        while (target := self.path.with_name(f"{self.path.name}.{number}")).exists():
            number += 1
        with storage_errors(target):
            target.mkdir()
            for entry in sorted(self.path.iterdir()):
                if entry.name != ".lock":
                    entry.rename(target / entry.name)
        return target


def _fits(name: str, value: Any) -> bool:
    """Whether a value of status.json is of the kind that its readers rely on."""
    if name in ("state", "reason", "monitor", "updated", "digest"):
        return isinstance(value, str)
    if name in ("step", "total_steps", "best_step"):
        return type(value) is int and 0 <= value < 2**63
    if name in ("epochs", "seconds"):
        return value is None or (_is_number(value) and value >= 0)
    if name in ("metrics", "spent", "peak_memory"):
        return isinstance(value, dict) and all(entry is None or _is_number(entry) for entry in value.values())
    return name != "score" or value is None or _is_number(value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part, whatever happens.

    Raises:
        StorageError: If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with storage_errors(path, needed=len(content)):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fault.point("file.before_replace")
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def storage_errors(path: Path, needed: int = 0) -> Iterator[None]:
    """Turn an OSError into a StorageError that names path, the bytes needed and the bytes free.

    Raises:
        StorageError: Instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        folder = next((parent for parent in path.absolute().parents if parent.is_dir()), Path("/"))
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(folder).free
            sizes = f"needs {needed:,} bytes, {free:,} are free" if needed else f"{free:,} bytes are free"
            raise StorageError(f"{path}: cannot be written ({error.strerror or error})", sizes) from error
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from error


def now() -> str:
    """Give the time in UTC, ISO 8601 to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def finite(value: Any) -> Any:
    """Give value with every number that is not finite replaced by None, since JSON has no NaN."""
    if isinstance(value, dict):
        return {str(key): finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
