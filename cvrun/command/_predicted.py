"""Images predicted one chunk after another: as many are decoded at a time as memory is set aside for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cvrun.build import build_task
from cvrun.command._output import say
from cvrun.command._trained import Trained
from cvrun.data import ImageForm, Manifest
from cvrun.decision import REJECTED, Decision
from cvrun.images import progress
from cvrun.pipeline.chunks import Bad, Decoding
from cvrun.pipeline.decode import ImageError
from cvrun.pipeline.kept import Whole
from cvrun.pipeline.loader import evaluation_batches
from cvrun.pipeline.memory import whole_in_memory
from cvrun.pipeline.store import Store
from cvrun.spec import Spec
from cvrun.trainer.evaluate import inference

CHUNK = 2048
"""[images] decoded at a time, at most."""

CHUNK_BYTES = 256 << 20
"""[bytes] of decoded images above which a chunk has fewer."""


@dataclass(frozen=True)
class Row:
    """What is said about one image.

    Attributes:
        path: Of the file.
        probabilities: float32 (K,), calibrated where there is a decision; None where the file cannot be used.
        label: Class index; None: rejected, or the file cannot be used.
        error: Why it cannot be used, or None.
    """

    path: Path
    probabilities: NDArray[np.float32] | None
    label: int | None
    error: ImageError | None = None


@dataclass(frozen=True)
class Model:
    """A run's model with what the run says beside it."""

    spec: Spec
    trained: Trained


Merge = Callable[[Sequence[NDArray[np.float32]]], NDArray[np.float32]]
"""Probabilities of each model (N, K) -> those that count, (N, K)."""


def predicted(
    paths: Sequence[Path], models: Sequence[Model], merge: Merge, decision: Decision | None
) -> Iterator[list[Row]]:
    """Give the rows of paths, in order, chunk by chunk; a file that a model cannot use is a row with its error.

    Args:
        paths: Image files.
        models: One or several, each of which has images in its own form.
        merge: Makes the probabilities of the models one.
        decision: What makes labels of probabilities; None: the most probable class.

    Raises:
        OutOfMemoryError: If the images of a chunk do not fit into memory.
        StorageError: If files are not read in time.
    """
    forms = {model.trained.form for model in models}
    size = max(min(CHUNK, CHUNK_BYTES // sum(form.size**2 * form.channels for form in forms)), 1)
    deciding = decision or Decision(models[0].trained.classes)
    with progress("predict", len(paths)) as bar:
        for start in range(0, len(paths), size):
            chunk = tuple(paths[start : start + size])
            yield _rows(chunk, models, merge, deciding)
            bar.update(len(chunk))


def _rows(paths: tuple[Path, ...], models: Sequence[Model], merge: Merge, decision: Decision) -> list[Row]:
    # Models that want images in the same form share them.
    decoded: dict[ImageForm, tuple[Store, Bad]] = {}
    for model in models:
        if model.trained.form not in decoded:
            decoded[model.trained.form] = _decoded(paths, model)
    for line in dict.fromkeys(store.remarks("given") for store, _ in decoded.values()):
        if line:
            say(line)
    bad = {at: error for _, errors in decoded.values() for at, error in errors.items()}
    rows = [Row(path, None, None, bad.get(at)) for at, path in enumerate(paths)]
    usable = np.array([at for at in range(len(paths)) if at not in bad], dtype=np.int64)
    if len(usable) == 0:
        return rows
    each = []
    for model in models:
        store, _ = decoded[model.trained.form]
        each.append(_probabilities(store, model)[np.isin(store.index.numpy(), usable)])
    labels, calibrated = decision.apply(merge(each))
    shown = calibrated.astype(np.float32)
    for at, label, probabilities in zip(usable.tolist(), labels.tolist(), shown, strict=True):
        rows[at] = Row(paths[at], probabilities, None if label == REJECTED else label)
    return rows


def _decoded(paths: tuple[Path, ...], model: Model) -> tuple[Store, Bad]:
    settings, form, classes = model.spec.settings, model.trained.form, model.trained.classes
    manifest = Manifest(tuple(map(str, paths)), np.zeros(len(paths), np.int64), classes, form, paths=paths)
    every = np.arange(len(paths))
    decoding = Decoding("given", manifest, every, Whole(form), settings.num_workers, settings.worker_timeout)
    return whole_in_memory(decoding, form, lambda count: None)


def _probabilities(store: Store, model: Model) -> NDArray[np.float32]:
    """Give what a model says about decoded images, of which there is at least one, (N, K)."""
    spec, trained = model.spec, model.trained
    task = build_task(spec, (1,) * len(trained.classes), (), trained.prior_shift)
    batches = evaluation_batches(store, trained.normalize, spec.trainer.eval_batch_size, trained.device)
    with inference(trained.model), trained.autocast():
        found = [task.predict(trained.model, batch.image, trained.tta).cpu() for batch in batches()]
    probabilities: NDArray[np.float32] = torch.cat(found).numpy()
    return probabilities
