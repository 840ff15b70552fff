"""status.json: where a run stands, for people and other programs."""

from __future__ import annotations

from typing import Any

from cvrun.folder import now
from cvrun.trainer import Run
from cvrun.trainer.state import State


def write_status(run: Run, state: State, name: str, reason: str, **more: Any) -> None:
    """Replace status.json by what status gives."""
    run.folder.write_status(status(run, state, name, reason, **more))


def status(run: Run, state: State, name: str, reason: str, **more: Any) -> dict[str, Any]:
    """Give where a run stands.

    Args:
        run: The run.
        state: Where it stands.
        name: running, finished, interrupted, failed or diverged.
        reason: Why, in words.
        more: Further entries, such as the metrics of the best weights.
    """
    spent = run.cost.seconds()
    return {
        "state": name,
        "reason": reason,
        "resumable": name in ("running", "interrupted", "failed"),
        "step": state.step,
        "total_steps": run.plan.total_steps,
        "epochs": state.step / run.plan.steps_per_epoch,
        "monitor": run.plan.monitor,
        "score": state.best.score,
        "best_step": state.best.step,
        "seconds": round(sum(spent.values()), 3),
        "spent": spent,
        "peak_memory": run.cost.peak_memory(next(state.model.parameters()).device),
        "updated": now(),
        **more,
    }
