"""What stands for the name of an image or a group where data.hash_ids hides names."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

_KEY = b"cvrun data.hash_ids"
"""So that the hashes are not those of another program that hashes the same names."""


def hashed_name(name: str) -> str:
    """Give what stands for a name: 16 hex digits of a keyed blake2b; nothing for nothing."""
    content = name.encode(errors="surrogateescape")
    return hashlib.blake2b(content, digest_size=8, key=_KEY).hexdigest() if name else ""


def behind(written: Iterable[str], names: Collection[str]) -> dict[str, str]:
    """Give, for those of written that are no names but stand for one, the name.

    A file that a run with hidden names has written, such as a split, can so be used with the data again.

    Args:
        written: Names, or what stands for them.
        names: Of the source.
    """
    known = set(names)
    if all(text in known for text in written):
        return {}
    return {hashed_name(name): name for name in names}
