"""List runs: state, score, what differs from the experiment, the mean over folds or seeds; `--json` for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cvrun.command._arguments import parser_of
from cvrun.command._output import show
from cvrun.errors import printable
from cvrun.folder import RunFolder
from cvrun.report.folds import Fold, fold_of_run, folds_table, without_fold
from cvrun.report.openings import all_sets, below, of_run, own_part
from cvrun.report.picking import picked
from cvrun.report.runs import find_runs, run_folders, runs_table
from cvrun.report.seeds import Seeded, seeds_table, without_seed
from cvrun.report.summary import number
from cvrun.report.sweep import SweepRun, read_run, sweep_of

_MOST_PICKED = 100
"""Runs whose predictions are read to tell how much too good the best score is."""

_TOO_MANY = f"with more than {_MOST_PICKED} runs that takes a while, and cvrun report FOLDER says it"


def run(arguments: list[str]) -> int:
    """Print the runs below a folder; give the exit code."""
    parser = parser_of("runs", __doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("outputs"), help="default: outputs")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    if given.json:
        found = find_runs(given.folder)
        show(json.dumps([{**run, **own_part(of_run(RunFolder(Path(run["path"]))))} for run in found], indent=2) + "\n")
        return 0
    runs = [read_run(folder) for folder in run_folders(given.folder)]
    rows = [dict(run.facts) for run in runs]
    show(runs_table(rows) + folds_table(_folds(rows)) + seeds_table(_seeded(runs)))
    show(below(_picked(given.folder, runs)))
    show(below(all_sets([Path(row["path"]) for row in rows])))
    return 0


def _folds(runs: list[dict[str, Any]]) -> list[Fold]:
    """Give the runs that are folds of a cross-validation; not those that a later one has put aside."""
    found = []
    for run in runs:
        folder = RunFolder(Path(run["path"]))
        shown = " ".join([run["name"], *without_fold(run["overrides"])])
        if folder.path.name == run["id"] and (fold := fold_of_run(folder, shown)) is not None:
            found.append(fold)
    return found


def _picked(folder: Path, runs: Sequence[SweepRun]) -> list[str]:
    """Give a line for each experiment about its best score, where that is the best of several on the same images."""
    names = dict.fromkeys(run.facts["name"] for run in runs)
    sweeps = [sweep_of(folder, [run for run in runs if run.facts["name"] == name]) for name in names]
    several = [sweep for sweep in sweeps if len(sweep.ranked) > 1]
    if not several:
        return []
    from cvrun.command._picking import with_picking

    lines = []
    for sweep in several:
        best = f"The best is {sweep.ranked[0].label}, {sweep.monitor} {number(sweep.ranked[0].score)}."
        if len(sweep.ranked) > _MOST_PICKED:
            lines += [f"{best} {picked(replace(sweep, not_picked=_TOO_MANY))[0]}"]
        elif (found := with_picking(sweep)).picking is not None:
            lines += [f"{best} {picked(found)[0]}"]
    return [printable(line) for line in lines]


def _seeded(runs: Sequence[SweepRun]) -> list[Seeded]:
    """Give the finished runs; not those that a later one has put aside."""
    found = []
    for run in runs:
        facts = run.facts
        if run.score is not None and run.counts and run.in_place:
            shown = " ".join([facts["name"], *without_seed(facts["overrides"])])
            found.append(Seeded(run.setting, shown, run.seed, str(facts["monitor"]), run.score))
    return found
