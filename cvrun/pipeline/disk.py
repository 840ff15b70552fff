"""A store on disk: raw pixels that are written once, checked whenever they are opened, and mapped.

pixels.bin holds the images one after another, uint8; sizes.bin height and width of each, int64, where they differ;
store.json what the files must hold, with a hash over itself. `used` is locked by those who use the store, and has the
time of the last opening.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvrun import fault
from cvrun.folder import now, sync_folder
from cvrun.pipeline.blocks import BlockWriter, DamagedError, check
from cvrun.pipeline.chunks import Bad, Decoding, decode_into
from cvrun.pipeline.decode import ImageError
from cvrun.pipeline.kept import Bounded
from cvrun.pipeline.store import Ragged, Store, begun, digest_of_ragged, offsets_of

FORMAT = 1
"""Of the files; a store of another one is made again."""

PIXELS, SIZES, HEADER, USED = "pixels.bin", "sizes.bin", "store.json", "used"

_MAX_HEADER = 256 << 20
"""[bytes]"""


def write(folder: Path, decoding: Decoding, progress: Callable[[int], None]) -> Bad:
    """Decode images into the files of a store in folder, which exists and is empty, and make them durable.

    Gives the errors of those that cannot be decoded; the store holds the others.

    Raises:
        OSError: If they cannot be written.
        OutOfMemoryError: If the memory does not suffice to decode.
        StorageError: If images are not read in time.
    """
    kept, count = decoding.kept, len(decoding.indices)
    whole = hashlib.sha256() if isinstance(kept, Bounded) else begun((count, *kept.shape))
    sizes: list[tuple[int, int]] = []
    file = BlockWriter(folder / PIXELS)

    def put(pixels: NDArray[np.uint8], shapes: list[tuple[int, int]]) -> None:
        fault.point("store.mid_write")
        file.write(pixels.data)
        whole.update(pixels.data)
        sizes.extend(shapes)

    try:
        outcome = decode_into(put, decoding, progress)
        files = {PIXELS: file.finish()}
    finally:
        file.close()
    targets, _ = decoding.without(outcome.bad)
    if isinstance(kept, Bounded):
        shapes = torch.tensor(sizes, dtype=torch.int64).reshape(-1, 2)
        files[SIZES] = _write_file(folder / SIZES, shapes.numpy().astype("<i8").tobytes())
        digest = digest_of_ragged(whole.digest(), shapes, kept.channels, targets)
    else:
        whole.update(targets.numpy().data)
        # With images left out another shape belongs into it; then it is worked out when it is asked for.
        digest = "" if outcome.bad else whole.hexdigest()
    header = {
        "format": FORMAT,
        "kept": repr(kept),
        "about": kept.about(),
        "count": len(sizes),
        "bad": np.flatnonzero(np.isin(decoding.indices, list(outcome.bad))).tolist(),
        "animated": outcome.animated,
        "turned": outcome.turned,
        "files": files,
        "digest": digest,
        "targets": _targets_hash(targets),
        "source": decoding.source(),
        "made": now(),
    }
    _write_file(folder / HEADER, json.dumps({"store": header, "sha256": _header_hash(header)}).encode())
    (folder / USED).touch()
    sync_folder(folder)
    return outcome.bad


def read_header(folder: Path) -> dict[str, Any]:
    """Give what store.json says, after comparing it with its own hash.

    Raises:
        DamagedError: If it is missing, not whole, or of another format.
    """
    try:
        with (folder / HEADER).open("rb") as file:
            content = json.loads(file.read(_MAX_HEADER))
        header: dict[str, Any] = content["store"]
        whole = content["sha256"] == _header_hash(header)
        number = header["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"{HEADER} cannot be read ({type(error).__name__})") from error
    if not whole:
        raise DamagedError(f"{HEADER} was changed")
    if number != FORMAT:
        raise DamagedError(f"it has format {number}, expected {FORMAT}")
    return header


def read(folder: Path, decoding: Decoding, use: object, written: Bad | None = None) -> tuple[Store | Ragged, Bad]:
    """Give the images of a store, mapped, and the errors of those that it does not hold.

    Args:
        folder: Where it lies.
        decoding: What it must have been made from.
        use: What keeps it from being removed.
        written: What write gave a moment ago, in this process; None: all bytes are compared with their hashes.

    Raises:
        DamagedError: If it is not that, or not as it was written.
    """
    header = read_header(folder)
    try:
        bad = _still_bad(header["bad"], decoding) if written is None else written
        if header["kept"] != repr(decoding.kept) or header["count"] + len(bad) != len(decoding.indices):
            raise DamagedError("it holds other images")
        names = (PIXELS, SIZES) if isinstance(decoding.kept, Bounded) else (PIXELS,)
        maps = {name: _map(folder / name, header["files"][name], written is None) for name in names}
        targets, index = decoding.without(bad)
        known = header["digest"] if header["targets"] == _targets_hash(targets) else ""
        counts = {"animated": header["animated"], "turned": header["turned"], "known": known, "use": use}
        kept = decoding.kept
        if not isinstance(kept, Bounded):
            return Store(maps[PIXELS].view(header["count"], *kept.shape), targets, index, **counts), bad
        shapes = torch.from_numpy(np.frombuffer(maps[SIZES].numpy(), "<i8").astype(np.int64)).reshape(-1, 2)
        offsets = offsets_of(shapes, kept.channels)
        if len(shapes) != header["count"] or int(offsets[-1]) != len(maps[PIXELS]):
            raise DamagedError("its sizes do not add up")
        return Ragged(maps[PIXELS], shapes, offsets, kept.channels, targets, index, **counts), bad
    # What a store.json with a right hash may still hold, if somebody made it by hand.
    except (OSError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise DamagedError(f"cannot be used ({type(error).__name__}: {error})") from error


def _still_bad(rows: list[int], decoding: Decoding) -> Bad:
    """Give the errors of images that could not be decoded, which are tried again: the reason may have gone."""
    bad: Bad = {}
    for position in decoding.indices[rows].tolist() if rows else ():
        try:
            decoding.kept.decode(decoding.manifest, position)
        except ImageError as error:
            bad[position] = error
        else:
            raise DamagedError(f"{decoding.manifest.ids[position]} can be decoded now")
    return bad


def _map(path: Path, entry: dict[str, Any], checked: bool) -> Tensor:
    """Give the bytes of a file, uint8 (bytes,), mapped to be read only."""
    handle = os.open(path, os.O_RDONLY)
    try:
        try:
            check(handle, entry, size_only=not checked)
        except DamagedError as error:
            raise DamagedError(f"{path.name} {error}") from error
        if entry["size"] == 0:
            return torch.empty(0, dtype=torch.uint8)
        mapped = mmap.mmap(handle, entry["size"], prot=mmap.PROT_READ)
    finally:
        os.close(handle)
    with warnings.catch_warnings():
        # It warns of memory that must not be written to: nobody does.
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(np.frombuffer(mapped, dtype=np.uint8))


def _write_file(path: Path, content: bytes) -> dict[str, Any]:
    file = BlockWriter(path)
    try:
        file.write(memoryview(content))
        return file.finish()
    finally:
        file.close()


def _header_hash(header: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()


def _targets_hash(targets: Tensor) -> str:
    return hashlib.sha256(targets.numpy().data).hexdigest()
