"""What lies in a tar shard, from its headers: nothing is extracted, and no content is read."""

from __future__ import annotations

import os
import re
import struct
import tarfile
from dataclasses import dataclass
from pathlib import Path

from cvrun.data._root import CONTROL, reason, shown
from cvrun.errors import DataError

LONGEST_HEADER = 1 << 20
"""[bytes] of one extended header; tarfile takes the length that a header claims, and asks for as much memory."""

PADDING = 1 << 16
"""[bytes] behind the end of an archive that are looked at; tar fills up to 10 KiB with zeros."""

_META = re.compile(r"__[^/]*__")
"""What the format keeps for notes on a shard (webdataset, "File Format")."""


@dataclass(frozen=True)
class Member:
    """A file in a shard: its name, where its content begins, and how long that is [bytes]."""

    name: str
    offset: int
    size: int


class _Headers:
    """What tarfile sees of an open file: headers, and no contents."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self._size, self._at = descriptor, size, 0

    def tell(self) -> int:
        """Give the position."""
        return self._at

    def seek(self, position: int) -> int:
        """Go to position."""
        self._at = position
        return position

    def read(self, count: int) -> bytes:
        """Give at most count bytes; a single one, by which tarfile sees whether a file goes on, is always zero."""
        if not 0 <= count <= LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {count} bytes")
        goes_on = 0 <= self._at < self._size
        content = b"\0" * goes_on if count == 1 else os.pread(self._descriptor, count, self._at)
        self._at += len(content)
        return content


def members(path: Path, descriptor: int, size: int) -> list[Member]:
    """Give the files in a shard, in their order; folders, hidden files and notes on the shard are left out.

    Args:
        path: The shard, for messages.
        descriptor: The shard, opened for reading.
        size: Its length [bytes].

    Raises:
        DataError: If it is not a whole plain tar file, or holds something else than files and folders, a name that
            leads out of it, or a name twice.
    """
    found: dict[str, Member] = {}
    try:
        with tarfile.open(fileobj=_Headers(descriptor, size), mode="r:") as tar:  # type: ignore[call-overload]
            for info in tar:
                member = _member(path, info, size)
                if member is None:
                    continue
                if member.name in found:
                    raise DataError(f"{path}: '{shown(member.name)}' stands in it twice, expected each file once")
                found[member.name] = member
            end = tar.offset
    # Of hostile headers tarfile makes nearly any error; a chain of extended ones takes all of the stack.
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, struct.error, KeyError, OSError) as error:
        hint = "unpack it with gunzip" if os.pread(descriptor, 2, 0) == b"\x1f\x8b" else ""
        raise DataError(f"{path}: not a plain tar file ({shown(reason(error))}), expected whole .tar", hint) from error
    _require_end(path, descriptor, end)
    return list(found.values())


def _member(path: Path, info: tarfile.TarInfo, size: int) -> Member | None:
    name = info.name
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or CONTROL.search(name):
        rule = "a relative name without '..' and control characters"
        raise DataError(f"{path}: member '{shown(info.name)}', expected {rule}")
    if info.isdir():
        return None
    if not info.isreg() or info.issparse():
        kind = "a sparse file" if info.issparse() else "a link" if info.islnk() or info.issym() else "no plain file"
        raise DataError(f"{path}: member '{shown(name)}' is {kind}, expected files and folders alone")
    if info.size < 0 or info.offset_data + info.size > size:
        raise DataError(f"{path}: member '{shown(name)}' of {info.size} bytes goes beyond the end, expected whole .tar")
    if any(part.startswith(".") for part in parts) or _META.fullmatch(name):
        return None
    return Member(name, info.offset_data, info.size)


def _require_end(path: Path, descriptor: int, end: int) -> None:
    """Raise DataError unless the archive ends with zeros, as a shard that was cut between two members does not."""
    rest = os.pread(descriptor, PADDING, end)
    if len(rest) < tarfile.BLOCKSIZE or any(rest[: tarfile.BLOCKSIZE]):
        fact = "is cut off or damaged" if len(rest) < tarfile.BLOCKSIZE else f"has a damaged header at byte {end}"
        raise DataError(f"{path}: {fact}, expected whole .tar", "download or write it again")
    if any(rest):
        raise DataError(
            f"{path}: goes on behind its end at byte {end}, expected one tar file",
            "tar files that were joined have to be unpacked and packed anew",
        )
