"""Saved predictions: what every later question about a model is answered from, without a second pass."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cvrun import fault
from cvrun.folder import RunFolder, finite
from cvrun.task import Task
from cvrun.trainer import Evaluation, Run


def write(run: Run, name: str, evaluation: Evaluation, step: int) -> None:
    """Write the evaluation of the validation split, by the weights of a step, beside the run, as save does."""
    classes = run.checkpoint_meta["classes"]
    save(run.folder, name, evaluation, run.task, run.val_ids, classes, {"step": step})


def save(
    folder: RunFolder,
    name: str,
    evaluation: Evaluation,
    task: Task,
    ids: Sequence[str],
    classes: Sequence[str],
    more: Mapping[str, Any] | None = None,
    groups: Sequence[str] | None = None,
) -> None:
    """Write `predictions/<name>.npz` and `predictions/<name>.json`, replacing older ones.

    The npz holds probabilities float32 (N, K), targets int64 (N,), ids and classes as text, and the group of each image
    where there are groups; the json holds metrics, the task's details, and what more there is, as plain values.

    Raises:
        StorageError: If they cannot be written.
    """
    fault.point("predictions.write")
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {
        "probabilities": evaluation.prediction.probabilities,
        "targets": evaluation.prediction.targets,
        "ids": np.array(ids, dtype=np.str_),
        "classes": np.array(classes, dtype=np.str_),
    }
    if groups is not None:
        arrays["groups"] = np.array(groups, dtype=np.str_)
    np.savez_compressed(buffer, **arrays)
    folder.write(folder.predictions / f"{name}.npz", buffer.getvalue())
    summary = {"metrics": evaluation.metrics, **task.details(evaluation.prediction, classes), **(more or {})}
    folder.write(folder.predictions / f"{name}.json", json.dumps(finite(summary), indent=2).encode() + b"\n")
