"""The two streams of a command: results, whose reader may go before the work is done, and messages."""

from __future__ import annotations

import sys
from pathlib import Path

from cvrun.errors import StorageError, printable
from cvrun.folder import RunFolder
from cvrun.logger._together import note
from cvrun.streams import drop, tell


def show(result: str | bytes, kept: Path | str | None = None) -> None:
    """Write a result to standard output; where its reader has gone, this and what follows is dropped.

    Args:
        result: Text, or bytes where a name in it may be no text.
        kept: What holds it as well, a file, a run's folder or something in words: then an output that cannot be
            written is no more than a warning, which also goes to the run's log.

    Raises:
        StorageError: If it cannot be written, and is kept nowhere.
    """
    try:
        if isinstance(result, str):
            sys.stdout.write(result)
        else:
            sys.stdout.buffer.write(result)
        sys.stdout.flush()
    except BrokenPipeError:
        drop(sys.stdout)
    except OSError as error:
        drop(sys.stdout)
        reason = error.strerror or str(error)
        if kept is None:
            raise StorageError(f"standard output: cannot be written ({reason})") from error
        line = printable(f"warning: standard output cannot be written ({reason}); the result is in {kept}")
        tell(line)
        if isinstance(kept, Path) and kept.is_dir():
            note(RunFolder(kept).log, line)


def say(line: str) -> None:
    """Write a message to standard error, control characters written out; a stream that takes none is no error."""
    tell(printable(line))
