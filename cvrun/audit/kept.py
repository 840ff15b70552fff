"""What was noted of images, kept in a file for the next audit; a damaged one is made anew."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from pathlib import Path

import numpy as np

from cvrun.audit import VERSION
from cvrun.audit.look import NOTE, Note
from cvrun.cache import cache_folder
from cvrun.data import Manifest
from cvrun.errors import StorageError
from cvrun.folder import write_atomic
from cvrun.pipeline.stores import origin

_SPARE = 4
"""Times as many notes as a data set has images that are kept of it; above that, those of other images go."""

_SEAL = 32
"""[bytes] of the sha256 behind the notes."""


def folder() -> Path:
    """Give where everything that audits keep lies; nothing is created."""
    return cache_folder() / "audit"


def keys(manifest: Manifest, positions: np.ndarray) -> np.ndarray:
    """Give what each note is kept under, S16 (N,): 16 bytes that change where the image may have changed.

    They follow from path, size and times of a file, from what is known of the file that it lies in, or from the
    content of an embedded image. No file is opened.

    Args:
        manifest: What positions refer to.
        positions: int64 (N,).
    """
    form = f"{VERSION} {form_of(manifest)}"
    return np.array([_key(manifest, i, form) for i in positions.tolist()], dtype="S16")


def form_of(manifest: Manifest) -> str:
    """Give what else the notes of a data set depend on."""
    return f"{manifest.form.channels} {manifest.form.value_range}"


def _key(manifest: Manifest, position: int, form: str) -> bytes:
    digest = hashlib.sha256(form.encode())
    if manifest.images is not None:
        image = np.ascontiguousarray(manifest.images[position])
        digest.update(f"{image.shape}".encode())
        digest.update(image.data)
        return digest.digest()[:16]
    declared = manifest.hashes[position] if manifest.hashes is not None else ""
    fact = origin(manifest, position)
    if manifest.encoded is not None:
        fact += f" {manifest.ids[position]}"
    digest.update(f"{fact}\0{declared}".encode(errors="surrogateescape"))
    return digest.digest()[:16]


def place(manifest: Manifest) -> Path:
    """Give the file for the notes of a data set: one for a source, whatever of it is looked at."""
    if manifest.paths is not None:
        folders = {os.path.dirname(path) for path in manifest.paths}
        source = os.path.commonpath([os.path.abspath(folder) for folder in folders])
    elif manifest.encoded is not None:
        source = f"encoded {manifest.encoded.origin(0)}"
    else:
        assert manifest.images is not None
        source = f"embedded {manifest.images.shape} {manifest.ids[0]} {manifest.ids[-1]}"
    named = hashlib.sha256(f"{source}\0{form_of(manifest)}".encode(errors="surrogateescape"))
    return folder() / f"{named.hexdigest()[:32]}.notes"


def read(path: Path) -> Note:
    """Give the notes in a file, NOTE (M,); none where it is not there, of another version, or damaged."""
    try:
        content = path.read_bytes()
        body, seal = content[:-_SEAL], content[-_SEAL:]
        if hashlib.sha256(body).digest() == seal:
            notes = np.load(io.BytesIO(body), allow_pickle=False)
            if notes.dtype == NOTE and notes.ndim == 1:
                return np.asarray(notes)
    except (OSError, ValueError, EOFError):
        pass
    return np.zeros(0, NOTE)


def write(path: Path, before: Note, here: Note) -> None:
    """Write notes, and those of before that are about other images, where these are not too many.

    What could not be read may be read the next time. A cache that cannot be written only costs time.
    """
    here = here[here["reason"] == b""]
    other = before[~np.isin(before["key"], here["key"])]
    notes = np.concatenate([here, other]) if len(other) <= _SPARE * len(here) else here
    buffer = io.BytesIO()
    np.save(buffer, notes, allow_pickle=False)
    body = buffer.getvalue()
    with contextlib.suppress(StorageError):
        write_atomic(path, body + hashlib.sha256(body).digest())
