"""List runs: state, score, what differs from the experiment, the mean over folds; `--json` for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cvrun.command._arguments import parser_of
from cvrun.command._output import show
from cvrun.folder import RunFolder
from cvrun.report.folds import Fold, fold_of_run, folds_table, without_fold
from cvrun.report.openings import all_sets, below, of_run, own_part
from cvrun.report.runs import find_runs, runs_table


def run(arguments: list[str]) -> int:
    """Print the runs below a folder; give the exit code."""
    parser = parser_of("runs", __doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("outputs"), help="default: outputs")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    found = find_runs(given.folder)
    folders = [Path(run["path"]) for run in found]
    if given.json:
        show(json.dumps([{**run, **own_part(of_run(RunFolder(Path(run["path"]))))} for run in found], indent=2) + "\n")
        return 0
    show(runs_table(found) + folds_table(_folds(found)))
    show(below(all_sets(folders)))
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
