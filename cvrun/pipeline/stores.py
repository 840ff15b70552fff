"""All stores of the cache folder: who makes one, which are there, and making room.

A store is the folder <cache>/store/<fingerprint>. Beside it lie .<fingerprint>.lock, which the process that makes the
store has locked; .<fingerprint>.new, what it has made so far, which is renamed when it is whole; and what ends in .old,
which is on its way out.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL
import simplejpeg

from cvrun import fault
from cvrun.cache import cache_folder
from cvrun.data import Manifest
from cvrun.folder import sync_folder
from cvrun.pipeline import locks
from cvrun.pipeline.blocks import DamagedError
from cvrun.pipeline.chunks import Decoding
from cvrun.pipeline.disk import USED, read_header

SCHEME = 2
"""Of the pixels that cvrun makes of a file: another one wherever decoding or resizing gives other pixels."""


def root() -> Path:
    """Give where the stores lie; nothing is created."""
    return cache_folder() / "store"


def fingerprint(decoding: Decoding) -> str:
    """Give what a store is named after: 32 hex digits that follow from all that its pixels follow from.

    These are the absolute path, size, times of change and declared hash of each file, in order, or what the files say
    of themselves that others lie in, or the bytes of the embedded images; the shape in which they are kept, and the
    versions of what decodes. No file is opened.
    """
    manifest, positions = decoding.manifest, decoding.indices.tolist()
    versions = SCHEME, PIL.__version__, simplejpeg.__version__
    digest = hashlib.sha256(repr((*versions, decoding.kept)).encode())
    if manifest.images is not None:
        digest.update(repr(manifest.images.shape[1:]).encode())
        for position in positions:
            digest.update(manifest.images[position].tobytes())
    for position in positions if manifest.images is None else ():
        declared = manifest.hashes[position] if manifest.hashes is not None else ""
        digest.update(f"{origin(manifest, position)} {declared}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def origin(manifest: Manifest, position: int) -> str:
    """Give what changes where the content of an image may, which lies in a file or inside of one; none is opened."""
    if manifest.encoded is not None:
        return manifest.encoded.origin(position)
    assert manifest.paths is not None
    path = os.path.abspath(manifest.paths[position])
    try:
        found = os.stat(path)
        # A copy may be given the old time of modification; nobody can set the other one back.
        return f"{path}\0{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    except OSError as error:
        # What is wrong with it is said when it is decoded.
        return f"{path}\0error {error.errno}"


@contextlib.contextmanager
def making(path: Path, waits: Callable[[str], object]) -> Iterator[Path]:
    """Be the only process that makes the store at path; gives an empty folder for it, which put_in_place takes.

    Args:
        path: Of the store.
        waits: Told which process makes it now, once, if that has to be waited for.

    Raises:
        OSError: If nothing can be written there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, new = path.with_name(f".{path.name}.lock"), path.with_name(f".{path.name}.new")
    held = locks.wait_for(lock, waits)
    try:
        tidy(path.parent)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)
        # While it is held: whoever waits for it finds that its name has gone.
        lock.unlink(missing_ok=True)
        held.release()


def put_in_place(new: Path, path: Path) -> locks.Held | None:
    """Make the store in new the one at path, in place of one that is there; give the use of it.

    Raises:
        OSError: If that is not possible.
    """
    use = locks.share(new / USED)
    fault.point("store.before_rename")
    discard(path)
    new.rename(path)
    sync_folder(path.parent)
    return use


def discard(path: Path) -> int:
    """Remove the store at path, in use or not: who has mapped it keeps what it has; give its bytes."""
    old = path.with_name(f".{path.name}.{os.getpid()}-{time.monotonic_ns()}.old")
    try:
        path.rename(old)
    except FileNotFoundError:
        return 0
    return _remove(old)


def remove(path: Path) -> int | None:
    """Remove the store at path unless it is in use; give its bytes, or None where it is."""
    if not (path / USED).exists():
        return discard(path)
    held = locks.alone(path / USED)
    if held is None:
        return None
    size = discard(path)
    held.release()
    return size


def tidy(folder: Path) -> int:
    """Remove what killed processes have left in the folder of stores; give the bytes."""
    size = sum(_remove(old) for old in folder.glob(".*.old"))
    for left in [*folder.glob(".*.new"), *folder.glob(".*.lock")]:
        lock = left.with_suffix(".lock")
        held = locks.alone(lock, create=True)
        if held is not None:
            size += _remove(left.with_suffix(".new"))
            lock.unlink(missing_ok=True)
            held.release()
    return size


@dataclass(frozen=True)
class Stored:
    """A store that is there.

    Attributes:
        path: Its folder.
        size: [bytes]
        last_used: [s] Since 1970.
        user: Who opened it last, if it is in use; else "".
        header: What its store.json says; empty if that cannot be trusted.
    """

    path: Path
    size: int
    last_used: float
    user: str
    header: dict[str, Any]


def stored(folder: Path) -> list[Stored]:
    """Give the stores in a folder, whole or damaged, beginning with the one that was used last."""
    found = []
    for path in folder.glob("[!.]*"):
        try:
            header = read_header(path)
        except DamagedError:
            header = {}
        used = path / USED
        with contextlib.suppress(OSError):
            last_used = (used if used.exists() else path).stat().st_mtime
            found.append(Stored(path, size_of(path), last_used, locks.holder(used), header))
    return sorted(found, key=lambda one: one.last_used, reverse=True)


def size_of(path: Path) -> int:
    """Give the bytes of the files in a folder; what goes away meanwhile counts nothing."""
    size = 0
    for file in path.glob("*"):
        with contextlib.suppress(OSError):
            size += file.stat().st_size
    return size


def _remove(path: Path) -> int:
    size = size_of(path)
    shutil.rmtree(path, ignore_errors=True)
    return size
