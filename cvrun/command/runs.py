"""List runs: state, score, what differs from the experiment, the mean over folds or seeds; `--json` for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cvrun.command._arguments import parser_of
from cvrun.command._output import show
from cvrun.folder import RunFolder
from cvrun.report.folds import Fold, fold_of_run, folds_table, without_fold
from cvrun.report.openings import all_sets, below, of_run, own_part
from cvrun.report.runs import find_runs, run_folders, runs_table
from cvrun.report.seeds import Seeded, seeds_table, without_seed
from cvrun.report.sweep import SweepRun, read_run


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
    show(below(_picked(runs)))
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


def _picked(runs: Sequence[SweepRun]) -> list[str]:
    if sum(run.counts for run in runs) < 2:
        return []
    # It imports torch.
    from cvrun.command._picking import lines_about

    return lines_about(runs)


def _seeded(runs: Sequence[SweepRun]) -> list[Seeded]:
    """Give the finished runs; not those that a later one has put aside."""
    found = []
    for run in runs:
        facts = run.facts
        if run.score is not None and run.counts and run.in_place:
            shown = " ".join([facts["name"], *without_seed(facts["overrides"])])
            found.append(Seeded(run.setting, shown, run.seed, str(facts["monitor"]), run.score))
    return found
