"""What a checkpoint holds: `step-N` the whole state after N steps, `best-N` the weights that scored best, for others.

A state is a file of torch.save, read as plain tensors only. Best weights are safetensors beside a JSON file about their
run, so that they can be given away. A damaged commit is never used; loading runs no code.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cvrun import fault, tensorfile
from cvrun.errors import CheckpointError
from cvrun.trainer import commit

STATE, WEIGHTS, ABOUT = "state.pt", "model.safetensors", "about.json"

KEEP = 2
"""Newest states that are kept: should the newest turn out to be damaged, there is the one before it."""

_NAME = re.compile(r"(step|best)-(\d{8,})")


def write_state(folder: Path, step: int, content: Mapping[str, Any]) -> Path:
    """Commit the whole state after step updates; give where.

    Args:
        folder: The run's checkpoints.
        step: Optimizer steps done.
        content: meta, rng_scheme and state, of plain values and tensors.

    Raises:
        StorageError: If it cannot be written; then nothing of it stays.
    """
    buffer = BytesIO()
    torch.save({"format": commit.FORMAT, **content}, buffer)
    target = folder / name_of("step", step)
    commit.write(target, step, {STATE: buffer.getvalue()})
    return target


def write_best(folder: Path, step: int, score: float, meta: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Path:
    """Commit weights that scored best; give where.

    Args:
        folder: The run's checkpoints.
        step: Optimizer steps after which they scored.
        score: What they scored.
        meta: What is to be known about their run, of plain values.
        weights: Name -> tensor.

    Raises:
        StorageError: If they cannot be written; then nothing of them stays.
    """
    named = {name: json.dumps(meta[name]) for name in ("classes", "form", "normalization") if name in meta}
    plain = {"run_id": str(meta.get("run_id", "")), "step": str(step), "score": repr(score), **named}
    about = json.dumps({"format": commit.FORMAT, "meta": meta, "step": step, "score": score}, indent=1).encode()
    target = folder / name_of("best", step)
    commit.write(target, step, {WEIGHTS: tensorfile.write_safetensors(weights, plain), ABOUT: about})
    return target


def read(path: Path) -> dict[str, Any]:
    """Give the content of a commit after checking its hashes: meta, and state or step, score and model.

    Raises:
        CheckpointError: If it is missing, damaged, names code, or is of a newer format.
    """
    number, files = commit.read(path)
    try:
        if STATE in files:
            content = tensorfile.load(files[STATE], f"{path}/{STATE}")
        else:
            model, _ = tensorfile.read_safetensors(files[WEIGHTS], f"{path}/{WEIGHTS}")
            content = {**json.loads(files[ABOUT]), "model": model}
        if not isinstance(content, dict) or not isinstance(content.get("meta"), dict):
            raise CheckpointError(f"{path}: holds no state")
        for older in range(number, commit.FORMAT):
            content = MIGRATIONS[older](content)
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: its files are not those of a checkpoint") from error
    return content


def commits(folder: Path, kind: str) -> list[Path]:
    """Give the commits of a kind, newest first."""
    found = [path for path in folder.iterdir() if path.name.startswith(f"{kind}-")] if folder.is_dir() else []
    return sorted((path for path in found if _NAME.fullmatch(path.name)), key=step_of, reverse=True)


def name_of(kind: str, step: int) -> str:
    """Give the name of a commit, such as best-00000110."""
    return f"{kind}-{step:08d}"


def step_of(path: Path) -> int:
    """Give the optimizer steps after which a commit was made."""
    return int(path.name.rpartition("-")[2])


def newest(
    folder: Path,
    kind: str,
    warn: Callable[[str], None],
    require: Callable[[Path, dict[str, Any]], None] = lambda path, content: None,
) -> tuple[Path, dict[str, Any]] | None:
    """Give the newest intact commit of a kind with its content; None where there is no commit.

    Args:
        folder: The run's checkpoints.
        kind: "step" or "best".
        warn: Called with a line for every damaged commit that is passed over.
        require: Called with path and content; raises for a commit that is intact and of no use all the same.

    Raises:
        CheckpointError: If there are commits but none is intact.
    """
    reason: object = None
    for path in commits(folder, kind):
        try:
            content = read(path)
            require(path, content)
            return path, content
        except (CheckpointError, KeyError, TypeError, ValueError) as error:
            reason = error if isinstance(error, CheckpointError) else f"{path}: holds no whole state"
            warn(f"{reason}; trying the one before it")
    if reason is not None:
        raise CheckpointError(f"{folder}: no intact checkpoint is left ({reason})", "rerun=true starts afresh")
    return None


def prune(
    folder: Path,
    best_step: int,
    kept: Collection[str],
    warn: Callable[[str], None],
    keep: int = KEEP,
    counts: Callable[[int], bool] = lambda step: True,
) -> None:
    """Remove all but the newest states, the best weights that they name, and what this run went on from.

    The newest KEEP states stay in any case, so that there is one to go on from.

    Args:
        folder: The run's checkpoints.
        best_step: What the newest state says is best; newer best weights are left from work that was lost.
        kept: Names of further commits that stay: the one that this run went on from, and the best that it names.
        warn: Takes a line about what cannot be removed.
        keep: Number of states that count. Each evaluation makes one, so what stays names at most as many best weights.
        counts: Step -> whether a state of it does; one that a stop left does not take the place of another.
    """
    states = commits(folder, "step")
    stay = {*states[:KEEP], *[path for path in states if counts(step_of(path))][:keep]}
    old = [path for path in states if path not in stay]
    best = commits(folder, "best")
    old += [path for path in best if step_of(path) > best_step]
    old += [path for path in best if step_of(path) <= best_step][max(len(stay), KEEP) :]
    old = [path for path in old if path.name not in kept]
    # The run is held and no commit is under way: who made these is gone, also one that had the id of this process.
    old += folder.glob(".tmp-*")
    for path in old:
        # Under its name a commit is whole or absent, also when the process ends in the middle of this.
        aside = path if path.name.startswith(".tmp-") else path.with_name(f".tmp-old-{path.name}")
        try:
            path.rename(aside)
            shutil.rmtree(aside)
        except OSError as error:
            warn(f"{path}: cannot be removed ({error.strerror or error})")
        fault.point("checkpoint.mid_prune")


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Put the weights of a checkpoint into a model.

    Raises:
        CheckpointError: If names or shapes differ; says how many fit and names the others.
    """
    tensorfile.load_into(model, weights, where)


def _from_1(content: dict[str, Any]) -> dict[str, Any]:
    """Format 1 did not know strict kernels, and kept best weights as it kept states."""
    environment = {"deterministic": "False", **content["meta"].get("environment", {})}
    return {**content, "format": 2, "meta": {**content["meta"], "environment": environment}}


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
"""Format -> what turns its content into that of the next one. tests/golden/checkpoints holds one of each."""
