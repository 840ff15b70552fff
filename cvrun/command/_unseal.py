"""Opening a test set: what it is known by, and the line in the ledger that comes before a model sees an image of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvrun import fault, ledger
from cvrun.command._measured import Images, Ready
from cvrun.command._output import say
from cvrun.data import Manifest
from cvrun.errors import ConfigError, DataError, StorageError
from cvrun.folder import RunFolder
from cvrun.opening import Count, Draft, Opening, count
from cvrun.pipeline.workers import GivenUpError, in_order
from cvrun.report.openings import run_name
from cvrun.sections import Settings
from cvrun.split._links import files_of, require_apart
from cvrun.trainer.digest import digest


@dataclass(frozen=True)
class Opened:
    """A test set that is open.

    Attributes:
        opening: The line of this opening.
        count: All openings of the set, with this one.
        path: Of the ledger.
    """

    opening: Opening
    count: Count
    path: Path


def unseal(run: Ready, images: Images, external: str | None, reason: str | None) -> Opened:
    """Open a test set for a model: write it into the ledger, and keep a copy beside the run.

    Args:
        run: The model.
        images: The test set.
        external: Its name, where it is not the run's own test part.
        reason: Why, in the user's words; another model than those before needs one.

    Raises:
        DataError: If it has no image, one cannot be read, or one is a file of training under another name.
        ConfigError: If a reason is needed.
        CheckpointError: If the ledger is not as it was written.
        StorageError: If the ledger cannot be written.
    """
    if len(images.rows) == 0:
        raise DataError(f"split: the {images.part} part is empty, expected at least one image")
    _require_unseen(run, images)
    path, where = ledger.place(run.folder.path), run_name(run.folder.path)
    draft = Draft(
        run=where,
        run_id=run.trained.meta["run_id"],
        config=_config(run.folder),
        weights=digest(run.trained.model.state_dict()),
        checkpoint=run.checkpoint,
        step=run.trained.step,
        test=fingerprint(images.manifest, images.rows, run.prepared.plan.spec.settings),
        names=run.prepared.plan.data.test_names,
        external=external,
        images=len(images.rows),
        reason=reason,
    )
    opening = ledger.append(path, lambda openings: _allowed(draft, openings), say)
    fault.point("test.opened")
    openings = ledger.read(path)
    ledger.keep_copy(run.folder.path, openings, where)
    return Opened(opening, count([each for each in openings if each.test == draft.test]), path)


def fingerprint(manifest: Manifest, rows: NDArray[np.int64], settings: Settings) -> str:
    """Give a sha256 (hex) that a test set is known by, wherever it lies, whatever its files are called.

    It covers the content of each image - the bytes of its file, or its pixels where it is embedded - and its class, in
    no order.

    Raises:
        DataError: If an image cannot be read.
        StorageError: If files are not read in time.
    """
    hashes = _hashes(manifest, rows.tolist(), settings)
    classes = [manifest.classes[label] for label in manifest.labels[rows].tolist()]
    return hashlib.sha256(json.dumps(sorted(zip(hashes, classes, strict=True))).encode()).hexdigest()


def _hashes(manifest: Manifest, positions: Sequence[int], settings: Settings) -> Iterator[str]:
    """Give the sha256 of each image, in order."""

    def of(position: int) -> str:
        return hashlib.sha256(content(position)).hexdigest()

    content = _reader(manifest)
    try:
        yield from in_order(of, positions, settings.num_workers, settings.worker_timeout)
    except GivenUpError as error:
        where = manifest.where(positions[error.chunk])
        raise StorageError(f"{where}: {error}", "worker_timeout=SECONDS sets how long is waited") from error


def _reader(manifest: Manifest) -> Callable[[int], bytes]:
    """Give what gives the content of an image."""
    if manifest.images is not None:
        pixels = manifest.images
        # Two shapes may have the same bytes.
        return lambda position: f"{pixels.shape[1:]}".encode() + np.ascontiguousarray(pixels[position]).tobytes()

    def read(position: int) -> bytes:
        try:
            if manifest.encoded is not None:
                return manifest.encoded.read(position)
            assert manifest.paths is not None
            return manifest.paths[position].read_bytes()
        except OSError as error:
            fact = f"cannot be read ({error.strerror or error})"
            raise DataError(f"{manifest.where(position)}: {fact}, expected an image file") from error

    return read


def _allowed(draft: Draft, openings: Sequence[Opening]) -> Draft:
    """Give draft, if it needs no reason or has one."""
    before = [opening for opening in openings if opening.test == draft.test]
    if before:
        last = before[-1]
        weights = "the same model" if last.weights == draft.weights else f"another model, of {last.run}"
        what = f"line {last.number} of {ledger.NAME}, {last.time}"
        if draft.reason is None and all(opening.weights != draft.weights for opening in before):
            said = f"this test set was opened for {weights}: {what}"
            raise ConfigError(f"{said}; another model on it needs a reason", 'give --reason "WHY", it is kept for good')
        say(f"this test set was opened before for {weights}: {what}")
    return draft


def _config(folder: RunFolder) -> str:
    """Give a sha256 (hex) of what the run was told: its spec.yaml, and what was changed since."""
    changes = folder.changes.read_bytes() if folder.changes.exists() else b""
    return hashlib.sha256(folder.spec.read_bytes() + changes).hexdigest()


def _require_unseen(run: Ready, images: Images) -> None:
    """See that no link makes a file of training or validation one of the test set."""
    manifest, split = run.prepared.manifest, run.prepared.split
    seen = {name: files_of(manifest, split.parts()[name]) for name in ("train", "val")}
    require_apart({**seen, images.part: files_of(images.manifest, images.rows)})
