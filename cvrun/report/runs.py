"""All runs below a folder, as plain values and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from cvrun.errors import DataError
from cvrun.folder import RunFolder
from cvrun.report.tables import text_table


def find_runs(folder: Path) -> list[dict[str, Any]]:
    """Give the runs at or below folder: path, name, id, state, monitor, score, step, epochs, seconds, overrides.

    A run whose process has gone without a word counts as interrupted.

    Raises:
        DataError: If folder does not exist.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder, expected one with runs")
    found = sorted(path.parent for path in folder.rglob("spec.yaml"))
    return [describe(RunFolder(path)) for path in found]


def describe(run: RunFolder) -> dict[str, Any]:
    """Give one run as plain values; what is not known is None."""
    status = run.read_status() or {}
    state = status.get("state", "interrupted")
    if state == "running" and not run.is_held():
        state = "interrupted"
    try:
        plan = yaml.safe_load(run.plan.read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        plan = None
    plan = plan if isinstance(plan, dict) else {}
    return {
        "path": run.path.as_posix(),
        "name": plan.get("name", run.path.parent.name),
        "id": plan.get("run_id", run.path.name),
        "state": state,
        "monitor": status.get("monitor"),
        "score": status.get("score"),
        "step": status.get("step") or 0,
        "epochs": status.get("epochs") or 0.0,
        "seconds": status.get("seconds") or 0.0,
        "overrides": plan.get("overrides") or [],
    }


def runs_table(runs: Sequence[dict[str, Any]]) -> str:
    """Give the runs as a table, or a line that says that there are none."""
    if not runs:
        return "no runs\n"
    rows = [
        [
            run["path"],
            run["state"],
            "-" if run["score"] is None else f"{run['score']:.4f}",
            f"{run['epochs']:.1f}",
            f"{run['seconds']:.1f}",
            " ".join(run["overrides"]) or "-",
        ]
        for run in runs
    ]
    return text_table(["run", "state", "score", "epochs", "seconds", "differs by"], rows, right=(2, 3, 4), whole=(0, 1))
