"""Evaluate a run's model: `cvrun eval outputs/digits/3fa9c1d2 --split val`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cvrun.build import build_task
from cvrun.command._arguments import parser_of
from cvrun.command._output import say, show
from cvrun.command._run_folder import existing
from cvrun.command._trained import Trained, load_trained
from cvrun.config import load
from cvrun.data import SPLITS
from cvrun.errors import DataError, printable
from cvrun.folder import RunFolder, finite
from cvrun.images import evaluated, images_of
from cvrun.keys import RESUME_KEYS
from cvrun.pipeline.loader import evaluation_batches
from cvrun.prepare import Prepared, prepare
from cvrun.report.summary import class_table, confusion_table, metric_table
from cvrun.task import Task
from cvrun.trainer import PLAIN, Evaluation, predictions
from cvrun.trainer.belonging import check_meta
from cvrun.trainer.evaluate import evaluate


def run(arguments: list[str]) -> int:
    """Print the metrics of a split, and save its predictions beside the run; give the exit code."""
    given = _parser().parse_intermixed_args(arguments)
    folder = existing(given.run)
    spec = load(folder.spec, given.overrides)
    trained = load_trained(spec, folder.checkpoints, given.checkpoint, given.tta, say)
    prepared = prepare(spec, folder, trained.meta["precision"])
    data = prepared.plan.data
    here = {"data_fingerprint": data.data_fingerprint, "split_fingerprint": data.split_fingerprint}
    check_meta(folder.path.as_posix(), trained.meta, {**trained.meta, "classes": list(data.classes), **here})
    task = build_task(spec, data.counts["train"], prepared.plan.metrics)
    name = given.split if given.checkpoint == "best" else f"{given.split}-last"
    views = f"-{given.tta}" if given.tta else "-tta"
    plain, augmented = _measure(prepared, trained, task, folder, given.split, name, views)
    about = {"run": folder.path.as_posix(), "split": given.split, "checkpoint": given.checkpoint, "step": trained.step}
    details = task.details(plain.prediction, trained.classes)
    images = len(plain.prediction.targets)
    if given.json:
        tta = augmented.metrics if augmented else None
        content = {**about, "images": images, "metrics": plain.metrics, "tta": tta, **details}
        show(json.dumps(finite(content), indent=2) + "\n")
        return 0
    metrics = {f"{given.split}/{key}": value for key, value in plain.metrics.items()}
    if augmented:
        metrics |= {f"{given.split}/tta/{key}": value for key, value in augmented.metrics.items()}
    said = f"{folder.path}: {given.checkpoint} weights (step {trained.step:,}) on {images:,} {given.split} images"
    tables = class_table(details["per_class"]) + confusion_table(details["per_class"], details["confusion_matrix"])
    show(f"{printable(said)}\n\n{metric_table(metrics)}{tables}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("eval", __doc__)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--split", choices=SPLITS, default="val", help="default: val")
    parser.add_argument("--checkpoint", choices=("best", "last"), default="best", help="default: best")
    parser.add_argument("--tta", metavar="CHOICE", help="test-time augmentation instead of the run's own")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("overrides", nargs="*", default=[], metavar="KEY=VALUE", help=f"only {', '.join(RESUME_KEYS)}")
    return parser


def _measure(
    prepared: Prepared, trained: Trained, task: Task, folder: RunFolder, split: str, name: str, views: str
) -> tuple[Evaluation, Evaluation | None]:
    """Give the plain evaluation, and the one with test-time augmentation where there is any; save both."""
    rows = prepared.split.parts()[split]
    if len(rows) == 0:
        raise DataError(f"split: the {split} part is empty, expected at least one image")
    settings = prepared.plan.spec.settings
    images = evaluated(images_of(split, prepared.manifest, prepared.split, settings, say), trained.device)
    batch_size, ahead = prepared.plan.spec.trainer.eval_batch_size, (settings.num_workers, settings.worker_timeout)
    batches = evaluation_batches(images, trained.normalize, batch_size, trained.device, *ahead)
    ids = [prepared.manifest.ids[i] for i in rows.tolist()]
    found = []
    for suffix, tta in (("", PLAIN), (views, trained.tta)) if trained.tta else (("", PLAIN),):
        evaluation = evaluate(trained.model, task, batches(), trained.autocast, tta)
        predictions.save(folder, name + suffix, evaluation, task, ids, trained.classes)
        found.append(evaluation)
    return found[0], found[1] if len(found) > 1 else None
