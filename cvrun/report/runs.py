"""All runs below a folder, as plain values and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cvrun.errors import ConfigError, DataError
from cvrun.folder import RunFolder
from cvrun.report.tables import text_table
from cvrun.yamlfile import load_yaml


def find_runs(folder: Path) -> list[dict[str, Any]]:
    """Give the runs at or below folder: path, name, id, state, monitor, score, step, epochs, seconds, overrides.

    A run whose process has gone without a word counts as interrupted.

    Raises:
        DataError: If folder does not exist.
    """
    return [describe(run) for run in run_folders(folder)]


def run_folders(folder: Path) -> list[RunFolder]:
    """Give the runs at or below folder, in order of their paths.

    Raises:
        DataError: If folder does not exist.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder, expected one with runs")
    return [RunFolder(path) for path in sorted(path.parent for path in folder.rglob("spec.yaml"))]


def read_plan(run: RunFolder) -> dict[str, Any]:
    """Give plan.yaml; nothing where there is none, or it is not such a file."""
    try:
        plan = load_yaml(run.plan)
    except (OSError, ConfigError):
        return {}
    return plan if isinstance(plan, dict) else {}


def describe(run: RunFolder, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Give one run as plain values; what is not known, or cannot be meant, is None.

    Args:
        run: Its folder.
        known: Its plan, where that has been read.
    """
    plan = read_plan(run) if known is None else known
    status = run.read_status() or {}
    state = status.get("state", "interrupted")
    if state == "running" and not run.is_held():
        state = "interrupted"
    overrides = plan.get("overrides")
    return {
        "path": run.path.as_posix(),
        "name": str(plan.get("name", run.path.parent.name)),
        "id": str(plan.get("run_id", run.path.name)),
        "state": str(state),
        "monitor": status.get("monitor"),
        "score": _number(status.get("score")),
        "step": _number(status.get("step")) or 0,
        "epochs": _number(status.get("epochs")) or 0.0,
        "seconds": _number(status.get("seconds")) or 0.0,
        "overrides": [str(text) for text in overrides] if isinstance(overrides, list) else [],
    }


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


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
