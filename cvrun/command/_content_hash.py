"""What images are known by, wherever they lie and whatever they are called: hashes of their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cvrun.data import Manifest
from cvrun.errors import DataError, StorageError
from cvrun.pipeline.kept import source_of
from cvrun.pipeline.workers import GivenUpError, in_order
from cvrun.sections import Settings


def content_hashes(manifest: Manifest, rows: NDArray[np.int64], settings: Settings) -> list[str]:
    """Give the sha256 (hex) of each image, in order: of the bytes of its file, or of its pixels where it is embedded.

    Raises:
        DataError: If an image cannot be read.
        StorageError: If files are not read in time.
    """
    content, positions = _reader(manifest), rows.tolist()

    def of(position: int) -> str:
        return hashlib.sha256(content(position)).hexdigest()

    try:
        return list(in_order(of, positions, settings.num_workers, settings.worker_timeout))
    except GivenUpError as error:
        where = manifest.where(positions[error.chunk])
        raise StorageError(f"{where}: {error}", "worker_timeout=SECONDS sets how long is waited") from error


def fingerprint(manifest: Manifest, rows: NDArray[np.int64], hashes: Sequence[str]) -> str:
    """Give a sha256 (hex) that a set of images is known by: their content and the class of each, in no order."""
    classes = [manifest.classes[label] for label in manifest.labels[rows].tolist()]
    return hashlib.sha256(json.dumps(sorted(zip(hashes, classes, strict=True))).encode()).hexdigest()


def _reader(manifest: Manifest) -> Callable[[int], bytes]:
    """Give what gives the content of an image."""
    if manifest.images is not None:
        pixels = manifest.images
        # Two shapes may have the same bytes.
        return lambda position: f"{pixels.shape[1:]}".encode() + np.ascontiguousarray(pixels[position]).tobytes()

    def read(position: int) -> bytes:
        try:
            return source_of(manifest, position).read()
        except OSError as error:
            fact = f"cannot be read ({error.strerror or error})"
            raise DataError(f"{manifest.where(position)}: {fact}, expected an image file") from error

    return read
