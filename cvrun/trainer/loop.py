"""The training loop: set the rate, update, count; at its times log, evaluate, judge, save."""

from __future__ import annotations

import itertools
from typing import Any

from cvrun.errors import CheckpointError
from cvrun.folder import now
from cvrun.rng import SCHEME
from cvrun.trainer import Run, checkpoint, predictions
from cvrun.trainer.evaluate import evaluate, until_stopped
from cvrun.trainer.state import LossMean, State
from cvrun.trainer.status import write_status
from cvrun.trainer.update import update


def train(run: Run, state: State) -> bool:
    """Advance state to the last step or to where early stopping ends it; give whether it got there.

    run never changes, and state is all that a checkpoint holds. When a stop is requested, state is committed at the
    step boundary and the answer is False.

    Raises:
        Interrupted: If a stop is requested during an evaluation; state is fit to be saved.
    """
    plan = run.plan
    state.model.train()
    # A run that was stopped during an evaluation begins with it.
    judge_if_due(run, state)
    for batch in run.train_batches(state.step):
        if run.stop.requested or state.stopper.stopped:
            break
        loss = update(run, state, batch)
        state.loss_mean.add(loss, len(batch))
        run.recorder.advance(state.step)
        if plan.is_log(state.step) and not plan.is_eval(state.step):
            run.recorder.write({**stamp(run, state), **training_record(run, state)})
        judge_if_due(run, state)
        if plan.is_save(state.step) and not plan.is_eval(state.step):
            save(run, state)
    if state.step >= plan.total_steps or state.stopper.stopped:
        return True
    save(run, state)
    return False


def judge_if_due(run: Run, state: State) -> None:
    """Evaluate where the plan says so, let the monitor judge, and commit.

    Raises:
        Interrupted: If a stop is requested meanwhile; state is as it was before.
    """
    if not run.plan.is_eval(state.step) or state.evaluated == state.step:
        return
    evaluations = {
        prefix: evaluate(model, run.task, until_stopped(run.val_batches(), run.stop), run.autocast)
        for prefix, model in state.models().items()
    }
    record: dict[str, Any] = {**stamp(run, state), **training_record(run, state)}
    for prefix, evaluation in evaluations.items():
        record |= {f"{prefix}/{name}": value for name, value in evaluation.metrics.items()}
    run.recorder.write(record)
    score = float(record[run.plan.monitor])
    improved = state.best.update(score, state.step)
    state.plateau.update(improved, state.step)
    state.stopper.update(improved, score, state.step / run.plan.steps_per_epoch)
    state.evaluated = state.step
    if improved:
        predictions.write(run, "val", evaluations[run.plan.judged])
        weights = state.models()[run.plan.judged].state_dict()
        content = {"meta": dict(run.checkpoint_meta), "step": state.step, "score": score, "model": weights}
        checkpoint.commit(run.folder.checkpoints, "best", state.step, content)
    save(run, state)


def save(run: Run, state: State) -> None:
    """Commit the whole state, unless the loss is not finite, and drop what it makes superfluous."""
    state.loss_mean.value(state.step)
    content = {"meta": dict(run.checkpoint_meta), "rng_scheme": SCHEME, "state": state.state_dict()}
    checkpoint.commit(run.folder.checkpoints, "step", state.step, content)
    checkpoint.prune(run.folder.checkpoints, state.best.step, run.recorder.say)
    write_status(run, state, "running", "training")


def restore(run: Run, state: State) -> bool:
    """Bring state to the newest intact commit; give whether there was one.

    Raises:
        CheckpointError: If commits exist and none is intact, or the newest belongs to something else.
    """
    found = checkpoint.newest(run.folder.checkpoints, "step", run.recorder.say)
    if found is None:
        return False
    path, content = found
    check_meta(path.as_posix(), content["meta"], run.checkpoint_meta)
    if content["rng_scheme"] != SCHEME:
        raise CheckpointError(f"{path}: random scheme {content['rng_scheme']}, expected {SCHEME}")
    state.load_state_dict(content["state"])
    there, here = content["meta"]["environment"], run.checkpoint_meta["environment"]
    changed = [f"{name} {there.get(name)} -> {here[name]}" for name in here if there.get(name) != here[name]]
    if changed:
        said = "same data, order and augmentation, but not the same bits"
        run.recorder.say(f"resumed on another machine or software ({'; '.join(changed)}): {said}")
    return True


def check_meta(where: str, saved: dict[str, Any], expected: Any) -> None:
    """Compare what a checkpoint says about its run with what it is to be used for.

    Raises:
        CheckpointError: If classes, data, split, normalization or parameters differ; names the first difference.
    """
    for name in ("run_id", "classes", "data_fingerprint", "split_fingerprint", "pixels", "parameters"):
        if saved.get(name) != expected[name]:
            theirs, ours = _difference(saved.get(name), expected[name])
            hint = "the data or the model changed since; rerun=true starts afresh and keeps this run aside"
            raise CheckpointError(f"{where}: its {name} is {theirs}, expected {ours}", hint)


def stamp(run: Run, state: State) -> dict[str, Any]:
    """Give what every record begins with."""
    return {"step": state.step, "epoch": state.step / run.plan.steps_per_epoch, "time": now()}


def training_record(run: Run, state: State) -> dict[str, float]:
    """Give the mean training loss since the last record and the rate of the last step; begin a new mean."""
    if state.loss_mean.num_images == 0:
        return {}
    loss = state.loss_mean.value(state.step)
    state.loss_mean = LossMean()
    return {"train/loss": loss, "train/lr": run.schedule.lr(max(state.step - 1, 0))}


def _difference(saved: Any, expected: Any) -> tuple[str, str]:
    """Give both in short; of two lists the first entries that differ."""
    if isinstance(saved, list) and isinstance(expected, list):
        pairs = enumerate(itertools.zip_longest(saved, expected, fillvalue="nothing"))
        position, (theirs, ours) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
        return f"'{theirs}' at {position}", f"'{ours}'"
    return f"{saved}", f"{expected}"
