"""Merge runs into one predictor: `cvrun ensemble RUN RUN ... --merge mean|gmean|vote|greedy`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cvrun import __version__
from cvrun.build import build_task
from cvrun.command import _ensemble_file
from cvrun.command._arguments import parser_of
from cvrun.command._ensemble_file import GREEDY, Ensemble
from cvrun.command._ensembled import Ensembled, Wanted, differences, ensembled
from cvrun.command._members import Member, members
from cvrun.command._output import show
from cvrun.command._run_folder import contents, require_own_files
from cvrun.config import load
from cvrun.ensemble import MERGES, agreed
from cvrun.errors import ConfigError
from cvrun.folder import RunFolder, finite
from cvrun.report.ensemble import ensemble_text
from cvrun.report.openings import below, in_words, of_run, own_part
from cvrun.trainer import Evaluation, predictions

ENSEMBLES = "ensembles"
"""Folder beside those of the experiments."""


def run(arguments: list[str]) -> int:
    """Merge saved predictions, write the ensemble and what it predicts, print its metrics; give the exit code.

    Raises:
        ConfigError: If the words contradict each other, or the output holds something else.
        CvrunError: If a run or its predictions cannot be used, or they do not belong together.
    """
    given = _parser().parse_args(arguments)
    wanted = Wanted(given.merge, given.part, given.tta, given.metric)
    runs = members(given.runs)
    found = ensembled(runs, wanted)
    folder = _output(given.output, runs, found.ensemble)
    opened = of_run(runs[0].folder) if wanted.part == "test" else {}
    _save(folder, runs, wanted, found)
    told = {**content(folder, runs, wanted, found), **own_part(opened)}
    if given.json:
        show(json.dumps(finite(told), indent=2) + "\n", kept=folder.path)
    else:
        show(ensemble_text(finite(told)) + below(in_words(opened)), kept=folder.path)
    return 0


def content(folder: RunFolder, runs: Sequence[Member], wanted: Wanted, found: Ensembled) -> dict[str, Any]:
    """Give what was found as plain values; a metric that is undefined is NaN.

    Args:
        folder: Of the ensemble.
        runs: Its members.
        wanted: What was asked for.
        found: What came of it.
    """
    whole = sum(part.picks for part in found.ensemble.parts)
    rows = [
        {
            "run": one.folder.path.as_posix(),
            "name": one.name,
            "run_id": one.run_id,
            "step": one.step,
            "picks": part.picks,
            "share": part.picks / whole,
            "val_score": found.scores[position],
            "metrics": {metric.name: metric.compute(found.alone(position)) for metric in found.metrics},
        }
        for position, (one, part) in enumerate(zip(runs, found.ensemble.parts, strict=True))
    ]
    return {
        "ensemble": folder.path.as_posix(),
        "id": found.ensemble.id,
        "merge": wanted.merge,
        "tta": wanted.tta,
        "part": wanted.part,
        "images": len(found.together.ids),
        "members": rows,
        "metrics": {metric.name: metric.compute(found.prediction) for metric in found.metrics},
        "metric": wanted.metric,
        "unit": "image" if found.clusters is None else "group",
        "units": found.units,
        "groups_unknown": found.clusters is None and wanted.part in runs[0].grouped,
        "best": rows[found.best]["run"],
        "differences": differences(found),
        "agreed": agreed(found.together.probabilities),
        "cost": len(found.ensemble.used),
        "selection": _selection(wanted, found),
        "same_split": len({one.fingerprints.get("split") for one in runs}) == 1,
        "decisions_applied": False,
    }


def _selection(wanted: Wanted, found: Ensembled) -> dict[str, Any] | None:
    if found.selected is None:
        return None
    names = [part.run.as_posix() for part in found.ensemble.parts]
    order = [names[position] for position in found.selected.order]
    scores = [-score if found.chosen.mode == "min" else score for score in found.selected.scores]
    return {"metric": wanted.metric, "fitted_on": "val", "order": order, "scores": scores}


def _parser() -> argparse.ArgumentParser:
    about = (
        f"{__doc__} Predictions that the runs saved are merged, image by image; no test set is opened. `cvrun predict"
        " FOLDER PATH...` predicts other images with the ensemble. A run's decision.json is not applied."
    )
    parser = parser_of("ensemble", about)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of finished runs")
    how = f"{GREEDY}: the mean of runs that are chosen on val, with replacement; default: mean"
    parser.add_argument("--merge", choices=(*MERGES, GREEDY), default="mean", help=how)
    part = "test: what `cvrun test RUN --unseal` saved; default: val"
    parser.add_argument("--part", choices=("val", "test"), default="val", help=part)
    parser.add_argument("--tta", action="store_true", help="merge predictions with each run's test-time augmentation")
    metric = "chooses on val: the runs of greedy, and the best run to compare with; default: loss"
    parser.add_argument("--metric", default="loss", metavar="NAME", help=metric)
    where = f"where the ensemble is kept; default: {ENSEMBLES}/ID beside the folders of the runs"
    parser.add_argument("--output", type=Path, metavar="FOLDER", help=where)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _output(asked: Path | None, runs: Sequence[Member], ensemble: Ensemble) -> RunFolder:
    """Give where an ensemble is kept.

    Raises:
        ConfigError: If something else is there.
    """
    path = runs[0].folder.path.parent.parent / ENSEMBLES / ensemble.id if asked is None else asked
    folder = RunFolder(path)
    if not os.path.lexists(path):
        return folder
    require_own_files(folder)
    if not contents(path):
        return folder
    file = path / _ensemble_file.NAME
    hint = "remove the folder, or choose another with --output"
    if not file.is_file():
        raise ConfigError(f"{path}: holds something else, expected a new folder or that of this ensemble", hint)
    there = _ensemble_file.read(file).id
    if there != ensemble.id:
        raise ConfigError(f"{path}: holds ensemble {there}, expected a new folder or that of {ensemble.id}", hint)
    return folder


def _save(folder: RunFolder, runs: Sequence[Member], wanted: Wanted, found: Ensembled) -> None:
    """Write ensemble.json, and the predictions as a run has them.

    Raises:
        StorageError: If they cannot be written.
    """
    classes, together = found.together.classes, found.together
    spec = load(runs[0].folder.spec, [])
    task = build_task(spec, (1,) * len(classes), found.metrics, ())
    evaluation = Evaluation(found.prediction, task.metrics(found.prediction))
    fingerprints = [{"run_id": one.run_id, **one.fingerprints} for one in runs]
    about = {"selection": _selection(wanted, found), "fingerprints": fingerprints, "code": __version__}
    folder.write(folder.path / _ensemble_file.NAME, _ensemble_file.content(found.ensemble, folder.path, finite(about)))
    predictions.save(folder, wanted.part, evaluation, task, together.ids, classes)
