"""The end of a run: the best weights are evaluated once more, with test-time augmentation beside the plain score."""

from __future__ import annotations

import copy
from pathlib import Path

from cvrun import fault
from cvrun.trainer import PLAIN, Run, checkpoint, predictions
from cvrun.trainer.checkpoint import load_weights
from cvrun.trainer.digest import digest
from cvrun.trainer.evaluate import evaluate, until_stopped
from cvrun.trainer.loop import stamp
from cvrun.trainer.state import State
from cvrun.trainer.status import write_status


def finish(run: Run, state: State) -> None:
    """Evaluate the best weights, save their predictions, write the last record and the status; state stays.

    Raises:
        Interrupted: If a stop is requested meanwhile.
    """
    fault.point("finish.begin")
    # The best weights are there when the first rank has written them.
    run.together.wait()
    path = run.folder.checkpoints / checkpoint.name_of("best", state.best.step)
    with run.cost.on("evaluate"):
        found = _evaluated(run, state, path)
    record = {**stamp(run, state), "best/step": state.best.step}
    run.recorder.write({**record, **{f"best/{name}": value for name, value in found.items()}})
    early = state.stopper.stopped and state.step < run.plan.total_steps
    reason = "early stopping" if early else f"all {run.plan.total_steps:,} steps are done"
    write_status(run, state, "finished", reason, metrics=found, digest=digest(state.state_dict()))


def _evaluated(run: Run, state: State, path: Path) -> dict[str, float]:
    """Give the metrics of the best weights, and save their predictions."""
    model = copy.deepcopy(state.models()[run.plan.judged])
    load_weights(model, checkpoint.read(path)["model"], path.as_posix())
    found: dict[str, float] = {}
    for name, tta in (("val", PLAIN), ("val-tta", run.tta)) if run.tta else (("val", PLAIN),):
        batches = until_stopped(run.val_batches(), run.stop)
        evaluation = evaluate(model, run.task, batches, run.autocast, tta, run.together)
        predictions.write(run, name, evaluation, state.best.step)
        found |= {f"{name.replace('-', '/')}/{metric}": value for metric, value in evaluation.metrics.items()}
    return found
