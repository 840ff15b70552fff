"""Say whether models differ on the same images: `cvrun compare RUN RUN ...`; the first is what others are held to."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cvrun.command._arguments import parser_of
from cvrun.command._compared import Model, by_setting, comparison, models_of
from cvrun.command._ensemble_file import NAME
from cvrun.command._intervals import add_resamples, saved_clusters, too_slow
from cvrun.command._members import predictions, together
from cvrun.command._output import show
from cvrun.command._run_folder import existing, require_own_files
from cvrun.errors import ConfigError, did_you_mean
from cvrun.folder import RunFolder, finite
from cvrun.metric import Metric, Prediction
from cvrun.prepare import metrics_of
from cvrun.report.compare import comparison_text
from cvrun.report.openings import below, in_words, of_run, own_part
from cvrun.report.runs import read_plan, run_folders

USUAL = ("accuracy", "balanced_accuracy", "roc_auc", "loss")
"""Metrics that are compared beside the monitor unless others are named."""


def run(arguments: list[str]) -> int:
    """Print the values of all models and how the others differ from the first; give the exit code.

    Raises:
        ConfigError: If a run is none or has not finished, or there is no such metric.
        DataError: If predictions are missing, damaged, or of other images.
    """
    given = _parser().parse_args(arguments)
    if given.resamples == 0:
        raise ConfigError("--resamples 0: expected 100 or more, a comparison is made of them")
    models = models_of(_folders(given.models))
    name = f"{given.part}-tta" if given.tta else given.part
    folders = [folder for model in models for folder in model.folders]
    hint = "models are compared on the same images; what is val in one may be training in another"
    found = together([predictions(folder, name) for folder in folders], hint)
    metrics = _metrics(given.metric, metrics_of(len(found.classes)), folders[0])
    if not given.metric:
        size = len(found.ids), len(found.classes), given.resamples * len(folders)
        metrics = [metric for metric in metrics if not too_slow(metric.name, *size)]
    known = (saved_clusters(folder, found.ids, given.part) for folder in folders)
    clusters = next((each for each in known if each is not None), None)
    told = comparison(models, found, metrics, clusters, given.resamples)
    opened = of_run(folders[0]) if given.part == "test" else {}
    content = {
        "part": given.part,
        "tta": given.tta,
        "images": len(found.ids),
        "unit": "image" if clusters is None else "group",
        "units": len(found.ids) if clusters is None else int(clusters.max()) + 1,
        "resamples": given.resamples,
        "groups_unknown": clusters is None and _has_groups(folders[0]),
        **told,
        "trivial": _trivial(models[0], metrics, found.targets, found.classes),
        **own_part(opened),
    }
    if given.json:
        show(json.dumps(finite(content), indent=2) + "\n")
    else:
        show(comparison_text(finite(content)) + below(in_words(opened)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("compare", __doc__)
    about = "a run, an ensemble, or a folder of runs that differ in the seed alone; such runs are one model"
    parser.add_argument("models", type=Path, nargs="+", metavar="RUN", help=about)
    parser.add_argument("--part", choices=("val", "test"), default="val", help="saved predictions; default: val")
    parser.add_argument("--tta", action="store_true", help="those with each run's test-time augmentation")
    usual = f"may be given again; default: the monitor, {', '.join(USUAL)}"
    parser.add_argument("--metric", action="append", default=[], metavar="NAME", help=usual)
    add_resamples(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _folders(given: Sequence[Path]) -> list[RunFolder]:
    """Give the finished runs and ensembles that are named."""
    found: list[RunFolder] = []
    for path in given:
        if os.path.lexists(path / NAME):
            folder = RunFolder(path)
            require_own_files(folder)
            found.append(folder)
            continue
        below_it = [] if os.path.lexists(RunFolder(path).spec) or not path.is_dir() else run_folders(path)
        # A run that a later one has put aside has another name than its id.
        current = [folder for folder in below_it if read_plan(folder).get("run_id") == folder.path.name]
        runs = [folder for folder in current if _finished(folder)] or [existing(path)]
        for folder in runs:
            if not _finished(folder):
                message = f"{folder.path}: has not finished, expected a finished run"
                raise ConfigError(message, "cvrun resume RUN goes on")
        if len(by_setting(runs)) > 1:
            message = f"{path}: its runs differ in more than the seed, expected one model"
            raise ConfigError(message, f"name the runs, as in {path}/*")
        found += runs
    if len(found) < 2:
        raise ConfigError("one run has nothing to be compared with, expected two or more", "cvrun runs lists them")
    return found


def _finished(folder: RunFolder) -> bool:
    return (folder.read_status() or {}).get("state") == "finished"


def _metrics(named: Sequence[str], known: tuple[Metric, ...], first: RunFolder) -> list[Metric]:
    names = [metric.name for metric in known]
    training = read_plan(first).get("training")
    monitor = str(training.get("monitor", "")).rpartition("/")[2] if isinstance(training, dict) else ""
    wanted = list(dict.fromkeys(named or [name for name in (monitor, *USUAL) if name in names]))
    for name in wanted:
        if name not in names:
            raise ConfigError(f"--metric {name}: expected one of {', '.join(names)}", did_you_mean(name, names))
    return [known[names.index(name)] for name in wanted]


def _has_groups(folder: RunFolder) -> bool:
    data = read_plan(folder).get("data")
    return bool(data.get("groups")) if isinstance(data, dict) else False


def _trivial(model: Model, metrics: Sequence[Metric], targets: Any, classes: Sequence[str]) -> dict[str, Any] | None:
    """Give what a model gets that answers with the shares of the classes in training, whatever it is shown."""
    data = read_plan(model.folders[0]).get("data")
    counts = data.get("counts", {}).get("train") if isinstance(data, dict) else None
    if not isinstance(counts, list) or len(counts) != len(classes) or not all(type(n) is int for n in counts):
        return None
    shares = np.array(counts, np.float64) / max(sum(counts), 1)
    answer = Prediction(np.tile(shares.astype(np.float32), (len(targets), 1)), targets)
    values = {metric.name: metric.compute(answer) for metric in metrics}
    return {"class": classes[int(shares.argmax())], "values": values}
