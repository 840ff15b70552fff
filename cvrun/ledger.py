"""The ledger of opened test sets: `<output_root>/test-ledger.jsonl`, one line an opening, which is never changed again.

What is cut off its end is missed because each run keeps a copy of its own lines; see cvrun/opening.py for the rest.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cvrun import fault
from cvrun.errors import CheckpointError, ConfigError
from cvrun.folder import now, storage_errors, sync_folder, write_atomic
from cvrun.lock import wait
from cvrun.opening import PUT_BACK, Draft, Opening, chain, encoded, opening_of, parsed

NAME = "test-ledger.jsonl"
COPY = "test.jsonl"

_MAX_BYTES = 64 << 20
_TORN = 4096
"""[bytes] That are kept of a line which was never finished; a whole one is shorter."""
_NOT_FOLLOWED = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def place(run: Path) -> Path:
    """Give the ledger of a run in `<output_root>/<name>/<run id>`; a link to the run's folder makes no difference."""
    return Path(os.path.realpath(run)).parent.parent / NAME


def read(path: Path) -> list[Opening]:
    """Give the lines of a ledger, in order; a last line that was not written to its end does not count.

    Raises:
        ConfigError: If something else stands in for the file.
        CheckpointError: If it cannot be read, or a line is not as it was written or not in its place.
    """
    return chain(_content(path), f"{path}")[0]


def copies(path: Path) -> list[Opening]:
    """Give the lines that a run keeps in its COPY, each as the ledger had it.

    Raises:
        ConfigError: If something else stands in for the file.
        CheckpointError: If it cannot be read, or a line is not as it was written.
    """
    lines = _content(path).splitlines()
    return [parsed(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]


def whole(path: Path) -> list[Opening]:
    """Give the lines of a ledger, if it has those of which the runs beside it keep copies.

    Raises:
        ConfigError: If something else stands in for one of the files.
        CheckpointError: If one of them is not as it was written, or the ledger lacks a line.
    """
    openings = read(path)
    require_whole(path, openings, _runs(path))
    return openings


def require_whole(path: Path, openings: Sequence[Opening], runs: Sequence[Path]) -> None:
    """See that a ledger has every line of which one of runs keeps a copy.

    Args:
        path: Of the ledger.
        openings: Its lines.
        runs: Folders.

    Raises:
        CheckpointError: If it lacks one: its end, or all of it, has been taken away.
    """
    known = {opening.hash for opening in openings}
    for run in runs:
        for copy in _of_run(run):
            if copy.hash not in known:
                fact = f"line {copy.number} of {copy.time} is missing, {run / COPY} has it"
                raise CheckpointError(f"{path}: {fact}", PUT_BACK)


def _runs(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*/*/"))


def _of_run(run: Path) -> list[Opening]:
    """Give what copies does, with an error that says what to do about a run that may be any of many."""
    try:
        return copies(run / COPY)
    except (ConfigError, CheckpointError) as error:
        said = f"run {run.parent.name}/{run.name}: its copy of the ledger is damaged: {error}"
        hint = f"or move {run} elsewhere; until then no run beside it opens a test set"
        raise type(error)(said, hint) from error


def append(path: Path, draft: Callable[[Sequence[Opening]], Draft], warn: Callable[[str], object]) -> Opening:
    """Write a line, on the disk when this returns; of several processes one writes at a time.

    Args:
        path: Of the ledger, created where needed.
        draft: Gives what the line says, told the lines that are there; what it raises leaves the ledger as it is.
        warn: Takes a line about one that a process left unfinished when it died.

    Raises:
        ConfigError: If something else stands in for the file.
        CheckpointError: If what is there is not as it was written.
        StorageError: If the line cannot be written; then nothing of it stays.
    """
    with _locked(path) as handle:
        content = _all(handle, path)
        openings, torn = chain(content, f"{path}")
        require_whole(path, openings, _runs(path))
        said = torn[:_TORN].decode(errors="backslashreplace") if torn else None
        if torn:
            fact = "its last line was never finished, so nothing was opened by it"
            warn(f"{path}: {fact}; the next line keeps what there is of it")
        opening = opening_of(draft(openings), openings[-1] if openings else None, now(), said)
        kept = len(content) - len(torn)
        # A whole line without its end was counted.
        start = b"\n" if kept and content[:kept][-1:] != b"\n" else b""
        with storage_errors(path):
            _write(handle, kept, start + encoded(opening))
    return opening


def keep_copy(run: Path, openings: Sequence[Opening], where: str) -> None:
    """Write the lines of a ledger that are about a run beside it, with those that it has.

    Args:
        run: Its folder.
        openings: All lines.
        where: What they call the run.

    Raises:
        CheckpointError: If what it has cannot be read.
        StorageError: If it cannot be written.
    """
    found = {opening.hash: opening for opening in copies(run / COPY)}
    found |= {opening.hash: opening for opening in openings if opening.run == where}
    lines = sorted(found.values(), key=lambda opening: opening.number)
    write_atomic(run / COPY, b"".join(map(encoded, lines)))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Give the ledger, open and locked."""
    with storage_errors(path):
        handle = _open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        with storage_errors(path):
            wait(handle)
            sync_folder(path.parent)
        yield handle
    finally:
        os.close(handle)


def _content(path: Path) -> bytes:
    """Give what is in a file; nothing where it is not there."""
    try:
        handle = _open(path, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        return _all(handle, path)
    finally:
        os.close(handle)


def _open(path: Path, flags: int) -> int:
    """Give an open file; nothing else is opened under its name.

    Raises:
        ConfigError: If it is a link, a folder, or no file.
        OSError: If it cannot be opened.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise ConfigError(f"{path}: a link, a folder or no file, expected a file of its own", PUT_BACK)
    return os.open(path, flags | _NOT_FOLLOWED, 0o666)


def _all(handle: int, path: Path) -> bytes:
    size = os.fstat(handle).st_size
    if size > _MAX_BYTES:
        raise CheckpointError(f"{path}: {size:,} bytes, expected at most {_MAX_BYTES:,}", PUT_BACK)
    return os.pread(handle, size, 0)


def _write(handle: int, kept: int, line: bytes) -> None:
    """Replace what stands behind the first kept bytes by a line; an error leaves those alone."""
    fault.point("ledger.write")
    # Not always: a file that the system lets grow and nothing else takes no other change.
    if kept < os.fstat(handle).st_size:
        os.ftruncate(handle, kept)
    try:
        rest = line
        while rest:
            rest = rest[os.write(handle, rest) :]
        fault.point("ledger.written")
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, kept)
        raise
