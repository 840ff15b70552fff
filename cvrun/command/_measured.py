"""A saved model measured on a set of images: what `cvrun eval` and `cvrun test` share."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.build import build_task
from cvrun.command._closer import Asked, add_closer, closer, closer_text, watched
from cvrun.command._decided import Frozen, at_decision, frozen
from cvrun.command._intervals import add_resamples, clusters_of, pairs_of, uncertainty
from cvrun.command._output import say
from cvrun.command._run_folder import existing
from cvrun.command._trained import Trained, load_trained
from cvrun.config import load
from cvrun.data import Manifest
from cvrun.errors import DataError, printable
from cvrun.folder import RunFolder
from cvrun.images import Decodable, evaluated, images_of, unusable
from cvrun.keys import RESUME_KEYS
from cvrun.pipeline.loader import evaluation_batches
from cvrun.pipeline.stream import Stream
from cvrun.pipeline.unreadable import cannot_be_used
from cvrun.prepare import Prepared, prepare
from cvrun.report.decision import decision_text
from cvrun.report.summary import class_table, confusion_table, left_out, metric_table, sure
from cvrun.split import Split
from cvrun.task import Task
from cvrun.trainer import Evaluation, predictions
from cvrun.trainer.belonging import check_meta
from cvrun.trainer.evaluate import evaluate


@dataclass(frozen=True)
class Ready:
    """A run's model beside its data.

    Attributes:
        folder: Of the run.
        prepared: Its data, and what it was to do.
        trained: The model with the weights that were asked for.
        task: What is measured.
        checkpoint: "best" or "last".
        views: What stands behind the name of predictions with test-time augmentation.
        frozen: The decision that was fitted for these weights; None where there is none, or it is not wanted.
        resamples: Of the bootstrap for intervals; 0: none.
    """

    folder: RunFolder
    prepared: Prepared
    trained: Trained
    task: Task
    checkpoint: str
    views: str
    frozen: Frozen | None = None
    resamples: int = 0


@dataclass(frozen=True)
class Images:
    """What a model is measured on.

    Attributes:
        part: val or test, which stands before the names of metrics.
        name: Of the predictions.
        manifest: What rows refer to.
        rows: Positions in the manifest, int64 (N,).
        decoded: Them, where they have been decoded, or are known to be such that they can be; else None.
    """

    part: str
    name: str
    manifest: Manifest
    rows: NDArray[np.int64]
    decoded: Decodable | None = None


@dataclass(frozen=True)
class Measured:
    """What was found.

    Attributes:
        plain: Without test-time augmentation.
        augmented: With it, or None where the run has none.
        details: What the task knows beside the metrics.
        closer: What --by, --prevalence and --scatter asked for.
        decided: What comes of the run's frozen decision, without test-time augmentation; None where there is none.
        sure: How sure the metrics are, as `uncertainty` gives it.
        sure_augmented: The same with test-time augmentation, or None.
    """

    plain: Evaluation
    augmented: Evaluation | None
    details: dict[str, Any]
    closer: dict[str, Any]
    decided: dict[str, Any] | None
    sure: dict[str, Any]
    sure_augmented: dict[str, Any] | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a command take a run, and how it is to be measured."""
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--checkpoint", choices=("best", "last"), default="best", help="default: best")
    parser.add_argument("--tta", metavar="CHOICE", help="test-time augmentation instead of the run's own")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--no-decision", action="store_true", help="without the run's frozen decision")
    add_resamples(parser)
    add_closer(parser)
    parser.add_argument("overrides", nargs="*", default=[], metavar="KEY=VALUE", help=f"only {', '.join(RESUME_KEYS)}")


def ready(given: argparse.Namespace) -> Ready:
    """Give the run that add_arguments took.

    Raises:
        CvrunError: If there is no such run, its weights cannot be used, or its data are not those of its training.
    """
    folder = existing(given.run)
    spec = load(folder.spec, given.overrides)
    trained = load_trained(spec, folder.checkpoints, given.checkpoint, given.tta, say)
    prepared = prepare(spec, folder, trained.meta["precision"])
    data = prepared.plan.data
    here = {"data_fingerprint": data.data_fingerprint, "split_fingerprint": data.split_fingerprint}
    check_meta(folder.path.as_posix(), trained.meta, {**trained.meta, "classes": list(data.outputs), **here})
    task = build_task(spec, data.with_output("train"), prepared.plan.metrics, trained.prior_shift)
    decision = None if given.no_decision else frozen(folder, trained.model, trained.classes)
    views = f"-{given.tta}" if given.tta else "-tta"
    return Ready(folder, prepared, trained, task, given.checkpoint, views, decision, given.resamples)


def decoded(run: Ready, images: Images) -> Decodable:
    """Give the images, each of which has been decoded once, also of those that are not kept.

    Raises:
        DataError: If one cannot be used.
        OutOfMemoryError: If the memory does not suffice.
        StorageError: If files are not read in time.
    """
    found = _opened(run, images)
    bad = unusable(found, images.part, run.prepared.plan.spec.settings) if isinstance(found, Stream) else {}
    if bad:
        count = f"{len(bad)} of {len(images.rows)} {images.part} images cannot be used"
        raise cannot_be_used(images.manifest, bad, count)
    return found


def _opened(run: Ready, images: Images) -> Decodable:
    none = images.rows[:0]
    split = Split(**{"train": none, "val": none, "test": none, images.part: images.rows})
    return images_of(images.part, images.manifest, split, run.prepared.plan.spec.settings, say)


def measure(run: Ready, images: Images, wanted: Asked) -> Measured:
    """Give the plain evaluation, and the one with test-time augmentation where there is any; save both.

    Raises:
        ConfigError: If the model has no features for a scatter that is wanted.
        DataError: If there is no image, or one cannot be used.
    """
    if len(images.rows) == 0:
        raise DataError(f"split: the {images.part} part is empty, expected at least one image")
    spec, trained, manifest = run.prepared.plan.spec, run.trained, images.manifest
    there = evaluated(_opened(run, images) if images.decoded is None else images.decoded, trained.device)
    ahead = spec.settings.num_workers, spec.settings.worker_timeout
    batches = evaluation_batches(there, trained.normalize, spec.trainer.eval_batch_size, trained.device, *ahead)
    ids = [manifest.ids[i] for i in images.rows.tolist()]
    name = images.name if run.checkpoint == "best" else f"{images.name}-last"
    with watched(wanted, trained.model, len(trained.classes)) as features:
        plain = evaluate(trained.model, run.task, batches(), trained.autocast)
    metrics = run.prepared.plan.metrics
    groups = None if manifest.groups is None else [manifest.groups[i] for i in images.rows.tolist()]
    clusters = clusters_of(groups)
    looked = closer(wanted, plain.prediction, images.rows, trained.classes, features, metrics, clusters)
    sure = uncertainty(plain.prediction, metrics, clusters, run.resamples)
    step = {"step": trained.step}
    predictions.save(run.folder, name, plain, run.task, ids, trained.classes, step | sure, groups)
    augmented = sure_augmented = None
    if trained.tta:
        augmented = evaluate(trained.model, run.task, batches(), trained.autocast, trained.tta)
        sure_augmented = uncertainty(augmented.prediction, metrics, clusters, run.resamples)
        more = step | sure_augmented
        predictions.save(run.folder, name + run.views, augmented, run.task, ids, trained.classes, more, groups)
    found, decided = plain.prediction, None
    if run.frozen is not None:
        decided = at_decision(run.frozen, found.probabilities, found.targets, images.part == "val", clusters)
    details = run.task.details(found, trained.classes)
    return Measured(plain, augmented, details, looked, decided, sure, sure_augmented)


def content(run: Ready, images: Images, measured: Measured) -> dict[str, Any]:
    """Give what was found as plain values."""
    return {
        "run": run.folder.path.as_posix(),
        "split": images.part,
        "checkpoint": run.checkpoint,
        "step": run.trained.step,
        "images": len(images.rows),
        "metrics": measured.plain.metrics,
        **measured.sure,
        "tta": measured.augmented.metrics if measured.augmented else None,
        "tta_intervals": measured.sure_augmented["intervals"] if measured.sure_augmented else None,
        **measured.details,
        **measured.closer,
        "decision": measured.decided,
    }


def text(run: Ready, images: Images, measured: Measured) -> str:
    """Give what was found for a person."""
    part, rows = images.part, measured.details["per_class"]
    metrics = {f"{part}/{key}": value for key, value in measured.plain.metrics.items()}
    intervals = pairs_of(measured.sure["intervals"], part)
    if measured.augmented and measured.sure_augmented:
        metrics |= {f"{part}/tta/{key}": value for key, value in measured.augmented.metrics.items()}
        intervals |= pairs_of(measured.sure_augmented["intervals"], f"{part}/tta")
    count = f"{len(images.rows):,} {part} images"
    said = f"{run.folder.path}: {run.checkpoint} weights (step {run.trained.step:,}) on {count}"
    tables = class_table(rows) + left_out(measured.details["undefined"])
    if "confusion_matrix" in measured.details:
        tables += confusion_table(rows, measured.details["confusion_matrix"])
    tables += decision_text(measured.decided) if measured.decided else ""
    table = metric_table(metrics, intervals) + sure(measured.sure["uncertainty"])
    return f"{printable(said)}\n\n{table}{tables}{closer_text(measured.closer)}"
