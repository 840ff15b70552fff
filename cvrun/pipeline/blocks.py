"""Files with a hash of each block: written by one process, checked by several threads when they are opened."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO

from cvrun.pipeline.workers import GivenUpError, work_through

BLOCK = 32 << 20
"""[bytes] that have one hash."""

_PIECE = 1 << 20
"""[bytes] read in one go."""

_PATIENCE = 300.0
"""[s] In which a block must be read."""


class DamagedError(Exception):
    """What must not be used; says why."""


class BlockWriter:
    """A file that is written from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        """Create the file.

        Raises:
            OSError: If that is not possible, or it is there.
        """
        self._file: BinaryIO = path.open("xb")
        self._hash, self._room = hashlib.sha256(), BLOCK
        self._size = 0
        self._blocks: list[str] = []

    def write(self, data: memoryview) -> None:
        """Append bytes."""
        self._file.write(data)
        self._size += len(data)
        while len(data) >= self._room:
            self._hash.update(data[: self._room])
            data = data[self._room :]
            self._blocks.append(self._hash.hexdigest())
            self._hash, self._room = hashlib.sha256(), BLOCK
        self._hash.update(data)
        self._room -= len(data)

    def finish(self) -> dict[str, Any]:
        """Make the file durable; give its size [bytes] and the sha256 (hex) of each block."""
        self._file.flush()
        os.fsync(self._file.fileno())
        last = [self._hash.hexdigest()] if self._room < BLOCK else []
        return {"size": self._size, "block": BLOCK, "blocks": [*self._blocks, *last]}

    def close(self) -> None:
        """Close the file, finished or not."""
        self._file.close()


def check(handle: int, entry: dict[str, Any], size_only: bool = False) -> None:
    """Compare an open file with what BlockWriter.finish said of it; every byte is read, by as many threads as cores.

    Args:
        handle: The file.
        entry: What it must be.
        size_only: Whether no byte is read.

    Raises:
        DamagedError: If it is another one.
        OSError: If its size cannot be asked for.
    """
    size, block, expected = int(entry["size"]), int(entry["block"]), list(entry["blocks"])
    found = os.fstat(handle).st_size
    if found != size:
        raise DamagedError(f"has {found:,} bytes instead of {size:,}")
    if block < 1 or len(expected) != -(-size // block):
        raise DamagedError("has blocks that do not add up")
    if size_only:
        return
    threads = min(len(os.sched_getaffinity(0)), len(expected))
    try:
        # In this thread where there is one block: a thread costs more than a small file.
        hashes = work_through(
            lambda number: _sha256(handle, number * block, min((number + 1) * block, size)),
            range(len(expected)),
            threads if threads > 1 else 0,
            _PATIENCE,
        )
        wrong = sorted(number for number, sha256 in hashes if sha256 != expected[number])
    except (GivenUpError, OSError) as error:
        raise DamagedError(f"cannot be read ({error})") from error
    if wrong:
        raise DamagedError(f"holds other bytes than were written, between {wrong[0] * block:,} and {size:,}")


def _sha256(handle: int, begin: int, end: int) -> str:
    digest, buffer = hashlib.sha256(), memoryview(bytearray(min(_PIECE, end - begin)))
    while begin < end:
        count = os.preadv(handle, [buffer[: end - begin]], begin)
        if count == 0:
            raise OSError("it has become shorter")
        digest.update(buffer[:count])
        begin += count
    return digest.hexdigest()
