"""Predict images or folders of them: `cvrun predict RUN PATH... --output FILE.csv`."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cvrun.build import build_task
from cvrun.cells import path_cell, text_cell, write_row
from cvrun.command._arguments import parser_of
from cvrun.command._output import say, show
from cvrun.command._run_folder import existing
from cvrun.command._trained import Trained, load_trained
from cvrun.config import load
from cvrun.data import IMAGE_SUFFIXES, Manifest
from cvrun.errors import ConfigError, DataError, printable
from cvrun.folder import write_atomic
from cvrun.keys import RESUME_KEYS
from cvrun.pipeline.loader import evaluation_batches
from cvrun.pipeline.memory import build_store
from cvrun.spec import Spec
from cvrun.trainer.evaluate import inference
from cvrun.warned import hearing

CHUNK = 2048
"""[images] decoded at a time, which bounds the memory."""


def run(arguments: list[str]) -> int:
    """Write path, label, score and one probability a class for each image; give the exit code."""
    given = _parser().parse_args(arguments)
    output: Path | None = given.output
    if output is not None and output.exists() and not given.force:
        raise ConfigError(f"--output {output}: exists, expected a new file", "--force replaces it")
    folder = existing(given.run)
    spec = load(folder.spec, given.set)
    with hearing() as warned:
        warned.strict = spec.settings.strict_warnings
        trained = load_trained(spec, folder.checkpoints, given.checkpoint, given.tta, say)
        paths = image_files(given.paths)
        rows = _rows(paths, spec, trained)
        text = _json(rows, trained.classes) if given.json else _csv(rows, trained.classes)
    warned.require_none()
    # A file name that is no UTF-8 is written with the bytes that it has.
    content = text.encode(errors="surrogateescape")
    if output is None:
        show(content)
        return 0
    write_atomic(output, content)
    done = f"{output}: {len(paths):,} images, {trained.meta['run_id']} at step {trained.step:,}"
    show(f"{printable(done)}\n", kept=output)
    return 0


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Give the files at paths, and below those that are folders, in order and each once.

    Raises:
        DataError: If a path does not exist, or there is no image.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            below = (entry for entry in sorted(path.rglob("*")) if entry.suffix.lower() in IMAGE_SUFFIXES)
            found.update(dict.fromkeys(entry for entry in below if entry.is_file()))
        elif path.exists():
            found[path] = None
        else:
            raise DataError(f"{path}: no such file or folder, expected images")
    if not found:
        raise DataError(f"{' '.join(str(path) for path in paths)}: no images found, expected at least one")
    return list(found)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("predict", __doc__)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="images, or folders of images")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write; default: standard output")
    parser.add_argument("--force", action="store_true", help="replace the output file")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of CSV")
    parser.add_argument("--checkpoint", choices=("best", "last"), default="best", help="default: best")
    parser.add_argument("--tta", metavar="CHOICE", help="test-time augmentation instead of the run's own")
    keys = ", ".join(key for key in RESUME_KEYS if key != "data.root")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=f"one of {keys}")
    return parser


def _rows(paths: Sequence[Path], spec: Spec, trained: Trained) -> Iterator[tuple[Path, NDArray[np.float32]]]:
    """Give each path with its probabilities (K,), in order."""
    task = build_task(spec, (1,) * len(trained.classes), (), trained.prior_shift)
    for start in range(0, len(paths), CHUNK):
        chunk = tuple(paths[start : start + CHUNK])
        ids = tuple(str(path) for path in chunk)
        manifest = Manifest(ids, np.zeros(len(chunk), np.int64), trained.classes, trained.form, paths=chunk)
        settings = spec.settings
        rows = np.arange(len(chunk))
        store = build_store(manifest, rows, settings.num_workers, settings.worker_timeout, lambda count: None)
        if remarks := store.remarks("given"):
            say(remarks)
        batches = evaluation_batches(store, trained.normalize, spec.trainer.eval_batch_size, trained.device)
        with inference(trained.model), trained.autocast():
            found = [task.predict(trained.model, batch.image, trained.tta).cpu() for batch in batches()]
        yield from zip(chunk, torch.cat(found).numpy(), strict=True)


def _csv(rows: Iterator[tuple[Path, NDArray[np.float32]]], classes: Sequence[str]) -> str:
    text = io.StringIO()
    taken = ("path", "label", "score")
    labels = [text_cell(name) for name in classes]
    # Two columns of one name would read back as one.
    write_row(text, [*taken, *(f"probability of {name}" if name in taken else name for name in labels)])
    for path, probabilities in rows:
        best = int(probabilities.argmax())
        # str of a numpy float32 is the shortest text that reads back as the same number.
        numbers = [str(value) for value in probabilities]
        write_row(text, [path_cell(path), labels[best], numbers[best], *numbers])
    return text.getvalue()


def _json(rows: Iterator[tuple[Path, NDArray[np.float32]]], classes: Sequence[str]) -> str:
    content = []
    for path, probabilities in rows:
        best = int(probabilities.argmax())
        named = {name: float(str(value)) for name, value in zip(classes, probabilities, strict=True)}
        label = classes[best]
        content.append({"path": str(path), "label": label, "score": named[label], "probabilities": named})
    return json.dumps(content, indent=2) + "\n"
