"""Checkpoints that are either whole or absent.

A commit is a folder: files are written to a temporary sibling and synced, a manifest with sha256 and size of each
comes last, then the folder is renamed into place. `step-00000120` holds the whole state after 120 steps, and
`best-00000110` the weights that scored best. A damaged commit is never used; loading runs no code.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cvrun.errors import CheckpointError
from cvrun.folder import storage_errors, sync_folder

FORMAT = 1
"""Version of what a checkpoint holds."""

_MANIFEST = "manifest.json"
_NAME = re.compile(r"(step|best)-(\d{8,})")


def commit(folder: Path, kind: str, step: int, content: Mapping[str, Any]) -> Path:
    """Write content as the commit `<kind>-<step>` below folder; give its path.

    A commit of that name that holds the same bytes is left as it is; another one is replaced.

    Args:
        folder: The run's checkpoints.
        kind: "step" or "best".
        step: Optimizer steps done.
        content: Plain values and tensors.

    Raises:
        StorageError: If it cannot be written; then nothing of it stays.
    """
    target = folder / f"{kind}-{step:08d}"
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    data = buffer.getvalue()
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    manifest = json.dumps({"format": FORMAT, "step": step, "files": {"state.pt": entry}}).encode()
    if _holds(target, manifest, data):
        return target
    temporary = folder / f".tmp-{target.name}-{os.getpid()}"
    replaced = folder / f".tmp-old-{target.name}-{os.getpid()}"
    with storage_errors(target, needed=len(data)):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            _write(temporary / "state.pt", data)
            _write(temporary / _MANIFEST, manifest)
            sync_folder(temporary)
            if target.exists():
                target.rename(replaced)
            temporary.rename(target)
            sync_folder(folder)
            shutil.rmtree(replaced, ignore_errors=True)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return target


def read(path: Path) -> dict[str, Any]:
    """Give the content of a commit after checking its size and hash.

    Raises:
        CheckpointError: If it is missing, damaged, or of a newer format.
    """
    try:
        manifest = json.loads((path / _MANIFEST).read_text())
        entry = manifest["files"]["state.pt"]
        data = (path / "state.pt").read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint ({type(error).__name__})") from error
    if len(data) != entry["size"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise CheckpointError(f"{path}/state.pt: damaged, its sha256 is not the one in {_MANIFEST}")
    if manifest.get("format", 0) > FORMAT:
        raise CheckpointError(f"{path}: format {manifest['format']}, expected at most {FORMAT}", "use a newer cvrun")
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path}/state.pt: cannot be read ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}/state.pt: holds no state")
    return content


def commits(folder: Path, kind: str) -> list[Path]:
    """Give the commits of a kind, newest first."""
    found = [path for path in folder.iterdir() if path.name.startswith(f"{kind}-")] if folder.is_dir() else []
    return sorted((path for path in found if _NAME.fullmatch(path.name)), key=_step, reverse=True)


def newest(folder: Path, kind: str, warn: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """Give the newest intact commit of a kind with its content; None where there is no commit.

    Args:
        folder: The run's checkpoints.
        kind: "step" or "best".
        warn: Called with a line for every damaged commit that is passed over.

    Raises:
        CheckpointError: If there are commits but none is intact.
    """
    reason = None
    for path in commits(folder, kind):
        try:
            return path, read(path)
        except CheckpointError as error:
            reason = error
            warn(f"{error}; trying the one before it")
    if reason is not None:
        raise CheckpointError(f"{folder}: no intact checkpoint is left ({reason})", "rerun=true starts afresh")
    return None


def prune(folder: Path, best_step: int, warn: Callable[[str], None], keep: int = 2) -> None:
    """Remove all but the newest keep states and the best weights that they name.

    Args:
        folder: The run's checkpoints.
        best_step: What the newest state says is best; newer best weights are left from work that was lost.
        warn: Takes a line about what cannot be removed.
        keep: Number of states. Each evaluation makes one, so they name at most as many best weights.
    """
    old = commits(folder, "step")[keep:]
    best = commits(folder, "best")
    old += [path for path in best if _step(path) > best_step]
    old += [path for path in best if _step(path) <= best_step][keep:]
    old += [path for path in folder.glob(".tmp-*") if not path.name.endswith(f"-{os.getpid()}")]
    for path in old:
        try:
            shutil.rmtree(path)
        except OSError as error:
            warn(f"{path}: cannot be removed ({error.strerror or error})")


def load_weights(model: nn.Module, weights: dict[str, Tensor], where: str) -> None:
    """Put the weights of a checkpoint into a model.

    Raises:
        CheckpointError: If names or shapes differ; names the first and counts the rest.
    """
    here = model.state_dict()
    missing = [name for name in here if name not in weights]
    unexpected = [name for name in weights if name not in here]
    shapes = [name for name in here if name in weights and here[name].shape != weights[name].shape]
    wrong = [*missing, *unexpected, *shapes]
    if wrong:
        counts = f"{len(missing)} missing, {len(unexpected)} unexpected, {len(shapes)} of another shape"
        raise CheckpointError(f"{where}: does not fit the model ({counts}; the first is {wrong[0]})")
    model.load_state_dict(weights)


def _holds(target: Path, manifest: bytes, data: bytes) -> bool:
    try:
        return (target / _MANIFEST).read_bytes() == manifest and (target / "state.pt").read_bytes() == data
    except OSError:
        return False


def _step(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
