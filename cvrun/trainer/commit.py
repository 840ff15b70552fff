"""Folders of files that are either whole or absent, whenever the process or the machine stops.

The protocol: write all files into a temporary sibling and sync each; a manifest with their sizes and sha256 comes last;
sync the folder; rename it into place; sync the parent; let the pointer `last` name it; read it back and compare.
The pointer is a hint for people: what is newest and whole is found by looking.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from cvrun import fault
from cvrun.errors import CheckpointError, StorageError
from cvrun.folder import storage_errors, sync_folder, write_atomic

FORMAT = 2
"""Version of what a commit holds; checkpoint.py reads the older ones."""

MANIFEST = "manifest.json"
POINTER = "last"

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Of Linux: fcntl.h and linux/fs.h."""

_MAX_MANIFEST = 1 << 20
"""[bytes]"""


def write(target: Path, step: int, files: Mapping[str, bytes]) -> None:
    """Make files the commit target; one of that name that holds the same bytes is left, another one is replaced.

    Args:
        target: Such as checkpoints/step-00000120.
        step: Optimizer steps done.
        files: Name -> content.

    Raises:
        StorageError: If it cannot be written, or is not read back as it was; then nothing of it stays. Twice its size
            must be free beforehand, since the commit before stays until this one is verified.
    """
    hashes = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in files.items()}
    manifest = json.dumps({"format": FORMAT, "step": step, "files": hashes}).encode()
    if _holds(target, manifest):
        return
    folder = target.parent
    temporary = folder / f".tmp-{target.name}-{os.getpid()}"
    needed = sum(map(len, files.values()))
    with storage_errors(target, needed=needed):
        folder.mkdir(parents=True, exist_ok=True)
        _require_room(target, needed)
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            for name, data in files.items():
                _write(temporary / name, data)
            fault.point("checkpoint.before_manifest")
            _write(temporary / MANIFEST, manifest)
            sync_folder(temporary)
            fault.point("checkpoint.before_rename")
            _put(temporary, target)
            sync_folder(folder)
            fault.point("checkpoint.after_rename")
            shutil.rmtree(temporary, ignore_errors=True)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        write_atomic(folder / POINTER, f"{target.name}\n".encode())
    if not _holds(target, manifest):
        shutil.rmtree(target, ignore_errors=True)
        raise StorageError(
            f"{target}: reads back as other bytes than were written", "the disk or its driver is failing"
        )


def read(path: Path) -> tuple[int, dict[str, bytes]]:
    """Give format and files of a commit after checking their sizes and hashes.

    Raises:
        CheckpointError: If it is missing, damaged, or of a newer format.
    """
    try:
        if _size(path / MANIFEST) > _MAX_MANIFEST:
            raise ValueError
        manifest = json.loads((path / MANIFEST).read_text())
        number, entries = int(manifest["format"]), dict(manifest["files"])
        # A manifest that somebody sends must not lead out of its folder.
        if not entries or number < 1 or any(Path(name).name != name for name in entries):
            raise ValueError
        sizes = {name: (str(entry["sha256"]), int(entry["size"])) for name, entry in entries.items()}
        for name in entries:
            _size(path / name)
    except (OSError, ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint ({type(error).__name__})") from error
    if number > FORMAT:
        raise CheckpointError(f"{path}: format {number}, expected at most {FORMAT}", "use a newer cvrun")
    return number, {name: _checked(path / name, sha256, size) for name, (sha256, size) in sizes.items()}


def _size(path: Path) -> int:
    """Give the size of a file; a link or a pipe is an error."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError
    return found.st_size


def _put(new: Path, target: Path) -> None:
    """Give a folder the name of target; one that is there gets the name of new, in one operation where that can be.

    A file system that cannot exchange two names (ext4, xfs, btrfs and tmpfs can) has a moment without the older one.
    """
    if target.exists():
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(target), _RENAME_EXCHANGE) == 0:
            return
        aside = new.with_name(f".tmp-old-{target.name}-{os.getpid()}")
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
    new.rename(target)


def _checked(path: Path, sha256: str, size: int) -> bytes:
    try:
        if path.stat().st_size != size:
            raise CheckpointError(f"{path}: damaged, it has not the size in {MANIFEST}")
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CheckpointError(f"{path}: damaged, its sha256 is not the one in {MANIFEST}")
    return data


def _holds(target: Path, manifest: bytes) -> bool:
    """Whether target has this manifest and the files that it speaks of."""
    with contextlib.suppress(OSError, CheckpointError):
        if (target / MANIFEST).read_bytes() == manifest:
            read(target)
            return True
    return False


def _require_room(target: Path, needed: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < 2 * needed:
        message = f"{target}: not written, {2 * needed:,} bytes must be free (twice its size) and {free:,} are"
        raise StorageError(message, "free some space; the commit before this one is kept")


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        half = len(data) // 2
        file.write(data[:half])
        file.flush()
        fault.point("checkpoint.mid_write")
        file.write(data[half:])
        file.flush()
        os.fsync(file.fileno())
