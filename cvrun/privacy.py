"""Names of images and groups replaced by hashes, where data.hash_ids asks for it, in all that a run writes and says.

The hash of a name is the same on every machine and in every run, so that results can be compared. It hides a name from
who reads the results, and not from who guesses names and hashes them: it is no encryption.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from cvrun.data import Manifest
from cvrun.data._hashed import hashed_name
from cvrun.errors import CvrunError, DataError, printable


def hashed(manifest: Manifest) -> Manifest:
    """Give manifest with hashes for ids and groups, in a form in which no message names a file.

    A column in which nothing but ids or groups stands is hashed as well. The others stay, such as site or scanner; a
    run writes of them what it is asked to show.
    """
    known = {*manifest.ids, *(manifest.groups or ())}
    columns = {
        name: tuple(map(hashed_name, values)) if _holds_names(values, known) else values
        for name, values in manifest.columns.items()
    }
    groups = tuple(map(hashed_name, manifest.groups)) if manifest.groups is not None else None
    ids = tuple(map(hashed_name, manifest.ids))
    return replace(manifest, ids=ids, groups=groups, columns=columns, named=False)


@contextmanager
def hiding(manifest: Manifest, hide: bool) -> Iterator[None]:
    """Put hashes into the message of an error that leaves the block, while manifest still has its names.

    Args:
        manifest: Before it is hashed.
        hide: Whether to.
    """
    try:
        yield
    except CvrunError as error:
        if hide:
            strange = error.names if isinstance(error, DataError) else ()
            error.args = (masked(str(error), manifest, strange),)
        raise


@contextmanager
def listing(hide: bool) -> Iterator[None]:
    """Keep back what a source says of its entries while it lists them, since nobody knows yet what in it is a name.

    What it says of a key stays, such as data.root=FOLDER: no such folder.
    """
    try:
        yield
    except DataError as error:
        said = str(error)
        if not hide or said.startswith("data."):
            raise
        row = re.search(r"\brow \d+", said)
        where = f", {row[0]}" if row else ""
        message = f"data.hash_ids=true: the data cannot be listed{where}; what is wrong is not said, it may name images"
        raise DataError(message, "cvrun check with data.hash_ids=false says it") from None


def masked(text: str, manifest: Manifest, more: tuple[str, ...] = ()) -> str:
    """Give text with a hash for each id and group of manifest, and each name of more, that stands in it as a whole."""
    names = {*manifest.ids, *(manifest.groups or ()), *more} - {""}
    # The longest first: a group is often a part of an id.
    for name in sorted((name for name in names if printable(name) in text), key=len, reverse=True):
        whole = rf"(?<!\w){re.escape(printable(name))}(?!\w)"
        text = re.sub(whole, hashed_name(name), text)
    return text


def _holds_names(values: tuple[str, ...], known: set[str]) -> bool:
    found = {text for value in values if (text := value.strip())}
    return bool(found) and found <= known
