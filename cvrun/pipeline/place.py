"""Where the decoded images of a part of the split go: into memory, on disk, or nowhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvrun.pipeline import disk, locks, stores
from cvrun.pipeline.blocks import DamagedError
from cvrun.pipeline.chunks import Bad, Decoding
from cvrun.pipeline.memory import in_memory
from cvrun.pipeline.store import Ragged, Store

TINY = 16 << 20
"""[bytes] of decoded images below which they are not worth a place on disk: it takes about a second to decode them."""

GIB = 1 << 30

SAID = 1.0
"""[s] Of work above which a line says how long it took."""

AS_NEEDED = "its images are decoded as they are needed"

Opened = tuple[Store | Ragged, Bad]
"""Images, and the errors of those that cannot be decoded."""


@dataclass(frozen=True)
class Cache:
    """What the user says about decoded images.

    Attributes:
        mode: ram, disk, off or auto.
        budget: [GiB] that all stores on disk may take.
    """

    mode: str
    budget: float


@dataclass(frozen=True)
class Place:
    """A decision.

    Attributes:
        where: ram, disk or off.
        evict: The stores that are removed before.
        why: Why it is off, for the user; else "".
    """

    where: str
    evict: tuple[stores.Stored, ...] = ()
    why: str = ""


def place(cache: Cache, needed: int, embedded: bool, free: int, others: Sequence[stores.Stored]) -> Place:
    """Give where images go that are not on disk yet.

    Args:
        cache: What the user wants.
        needed: [bytes] That they take.
        embedded: Whether they are in memory already, before they get their form.
        free: [bytes] Of the disk.
        others: The stores that are there.
    """
    if cache.mode in ("ram", "off"):
        return Place(cache.mode)
    if cache.mode == "auto" and (embedded or needed < TINY):
        return Place("ram")
    budget = int(cache.budget * GIB)
    evict, taken = [], sum(one.size for one in others)
    for one in sorted((one for one in others if not one.user), key=lambda one: one.last_used):
        if taken + needed <= budget:
            break
        evict.append(one)
        taken -= one.size
    fits = taken + needed <= budget
    if cache.mode == "disk":
        return Place("disk", tuple(evict) if fits else ())
    size = f"{needed / GIB:.3g} GiB of decoded images"
    if not fits:
        used = f", of which {taken / GIB:.3g} GiB are in use" if needed <= budget else ""
        return Place("off", (), f"{size} do not fit into cache_budget={cache.budget:g} GiB{used}")
    free += sum(one.size for one in evict)
    if 2 * needed > free:
        return Place("off", (), f"{size} are more than half of the {free / GIB:.3g} GiB that are free on disk")
    return Place("disk", tuple(evict))


def open_images(
    decoding: Decoding, cache: Cache, say: Callable[[str], object], progress: Callable[[int], None]
) -> Opened | None:
    """Give the images that can be decoded, in memory or on disk, and the errors of the others.

    Args:
        decoding: Which images, and how they are decoded.
        cache: Where the user wants them.
        say: Takes a line for the user.
        progress: Told, in this thread, how many images are decoded since the last call.

    Returns:
        None where they are to be decoded as they are needed: the user wants it so, they do not fit, or the disk takes
        nothing, which is said in a line.

    Raises:
        OutOfMemoryError: If they do not fit into memory.
        StorageError: If files are not read in time.
    """
    if cache.mode == "off":
        return None
    embedded = decoding.manifest.images is not None
    if cache.mode == "ram" or (cache.mode == "auto" and embedded):
        return _in_memory(decoding, say, progress)
    path = stores.root() / stores.fingerprint(decoding)
    try:
        return _existing(path, decoding, say)
    except DamagedError:
        others = [one for one in stores.stored(path.parent) if one.path != path]
    chosen = place(cache, decoding.num_bytes(), embedded, _free(path), others)
    if chosen.where == "ram":
        return _in_memory(decoding, say, progress)
    if chosen.where == "off":
        say(f"{decoding.name}: {chosen.why}, {AS_NEEDED}; cache=disk keeps them all the same")
        return None
    try:
        for one in chosen.evict:
            stores.remove(one.path)
        return _made(path, decoding, say, progress)
    except (OSError, DamagedError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        fact = f"{path}: cannot be written ({reason or error})"
        say(f"warning: {fact}, {AS_NEEDED}; cache=ram keeps them in memory, CVRUN_CACHE=FOLDER names another folder")
        return None


def _existing(path: Path, decoding: Decoding, say: Callable[[str], object]) -> Opened:
    """Give the images of a store that is there and whole.

    Raises:
        DamagedError: If it is not.
    """
    began = time.monotonic()
    use = locks.share(path / disk.USED)
    if use is None:
        raise DamagedError("it is not whole")
    images, bad = disk.read(path, decoding, use)
    seconds = time.monotonic() - began
    if seconds > SAID:
        speed = f"{images.num_bytes() / seconds / 1e9:.1f} GB/s"
        say(f"checked {len(images):,} decoded {decoding.name} images on disk in {seconds:.1f} s ({speed})")
    return images, bad


def _made(path: Path, decoding: Decoding, say: Callable[[str], object], progress: Callable[[int], None]) -> Opened:
    """Give the images of a store that this process makes, or another one, for which it waits.

    Raises:
        OSError: If it cannot be written.
        DamagedError: If it reads back as another one.
    """
    with stores.making(path, lambda who: say(f"waiting for {who}, which decodes the same images")) as new:
        try:
            return _existing(path, decoding, say)
        except DamagedError as error:
            if path.exists():
                say(f"warning: {path}: {error}; its images are decoded again")
                stores.discard(path)
        began = time.monotonic()
        bad = disk.write(new, decoding, progress)
        use = stores.put_in_place(new, path)
        opened = disk.read(path, decoding, use, bad)
    _say_decoded(began, decoding, opened, say)
    return opened


def _in_memory(decoding: Decoding, say: Callable[[str], object], progress: Callable[[int], None]) -> Opened:
    began = time.monotonic()
    opened = in_memory(decoding, progress)
    _say_decoded(began, decoding, opened, say)
    return opened


def _say_decoded(began: float, decoding: Decoding, opened: Opened, say: Callable[[str], object]) -> None:
    seconds, count = time.monotonic() - began, len(opened[0])
    if seconds > SAID:
        say(f"decoded {count:,} {decoding.name} images in {seconds:.1f} s ({count / seconds:,.0f} images/s)")


def _free(path: Path) -> int:
    """Give the bytes that are free where path will be; a folder that cannot be asked is found out by writing to it."""
    there = next(parent for parent in path.parents if parent.is_dir())
    try:
        return shutil.disk_usage(there).free
    except OSError:
        return sys.maxsize
