"""Images predicted one chunk after another: as many are decoded at a time as memory is set aside for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cvrun.build import build_task
from cvrun.command._output import say
from cvrun.command._trained import Trained
from cvrun.data import Manifest
from cvrun.decision import REJECTED, Decision
from cvrun.images import progress
from cvrun.pipeline.chunks import Decoding
from cvrun.pipeline.decode import ImageError
from cvrun.pipeline.kept import Whole
from cvrun.pipeline.loader import evaluation_batches
from cvrun.pipeline.memory import whole_in_memory
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


def predicted(paths: Sequence[Path], spec: Spec, trained: Trained, decision: Decision | None) -> Iterator[list[Row]]:
    """Give the rows of paths, in order, chunk by chunk; a file that cannot be used is a row with its error.

    Args:
        paths: Image files.
        spec: Of the run.
        trained: Its model.
        decision: What makes labels of probabilities; None: the most probable class.

    Raises:
        OutOfMemoryError: If the images of a chunk do not fit into memory.
        StorageError: If files are not read in time.
    """
    size = max(min(CHUNK, CHUNK_BYTES // (trained.form.size**2 * trained.form.channels)), 1)
    deciding = decision or Decision(trained.classes)
    with progress("predict", len(paths)) as bar:
        for start in range(0, len(paths), size):
            chunk = tuple(paths[start : start + size])
            yield _rows(chunk, spec, trained, deciding)
            bar.update(len(chunk))


def _rows(paths: tuple[Path, ...], spec: Spec, trained: Trained, decision: Decision) -> list[Row]:
    none = np.zeros(len(paths), np.int64)
    manifest = Manifest(tuple(map(str, paths)), none, trained.classes, trained.form, paths=paths)
    settings, form = spec.settings, trained.form
    every = np.arange(len(paths))
    decoding = Decoding("given", manifest, every, Whole(form), settings.num_workers, settings.worker_timeout)
    store, bad = whole_in_memory(decoding, form, lambda count: None)
    if remarks := store.remarks("given"):
        say(remarks)
    rows = [Row(path, None, None, bad.get(at)) for at, path in enumerate(paths)]
    if len(store) == 0:
        return rows
    task = build_task(spec, (1,) * len(trained.classes), (), trained.prior_shift)
    batches = evaluation_batches(store, trained.normalize, spec.trainer.eval_batch_size, trained.device)
    with inference(trained.model), trained.autocast():
        found = [task.predict(trained.model, batch.image, trained.tta).cpu() for batch in batches()]
    labels, calibrated = decision.apply(torch.cat(found).numpy())
    shown = calibrated.astype(np.float32)
    for at, label, probabilities in zip(store.index.tolist(), labels.tolist(), shown, strict=True):
        rows[at] = Row(paths[at], probabilities, None if label == REJECTED else label)
    return rows
