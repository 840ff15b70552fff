"""The training loop: set the rate, update, count; at its times log, evaluate, judge, save."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from cvrun import fault
from cvrun.errors import CheckpointError
from cvrun.folder import now
from cvrun.rng import SCHEME
from cvrun.trainer import Run, checkpoint, predictions
from cvrun.trainer.belonging import check_meta
from cvrun.trainer.diverged import diverged
from cvrun.trainer.evaluate import evaluate, until_stopped
from cvrun.trainer.sound import require_sound
from cvrun.trainer.state import LossMean, State
from cvrun.trainer.status import status
from cvrun.trainer.update import not_finite, update


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
        if run.together.agreed(run.stop.requested) or state.stopper.stopped:
            break
        loss = update(run, state, batch)
        # The scaler of fp16 has left out a step that overflowed, so its loss does not count.
        if not state.scaler.is_enabled() or math.isfinite(float(run.together.sum(loss))):
            state.loss_mean.add(loss, plan.batch_size, state.step - 1)
        run.recorder.advance(state.step)
        run.saver.look()
        if plan.is_log(state.step) and not plan.is_eval(state.step):
            run.recorder.write({**stamp(run, state), **training_record(run, state)})
        judge_if_due(run, state)
        if plan.is_save(state.step) and not plan.is_eval(state.step):
            save(run, state)
    over = state.step >= plan.total_steps or state.stopper.stopped
    if not over:
        save(run, state)
    run.saver.finish()
    return over


def judge_if_due(run: Run, state: State) -> None:
    """Evaluate where the plan says so, let the monitor judge, and commit.

    Raises:
        Interrupted: If a stop is requested meanwhile; state is as it was before.
    """
    if not run.plan.is_eval(state.step) or state.evaluated == state.step:
        return
    with run.cost.on("evaluate"):
        evaluations = {
            prefix: evaluate(
                model, run.task, until_stopped(run.val_batches(), run.stop), run.autocast, together=run.together
            )
            for prefix, model in state.models().items()
        }
    fault.point("evaluate.done")
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
        predictions.write(run, "val", evaluations[run.plan.judged], state.step)
    save(run, state, improved)


def save(run: Run, state: State, improved: bool = False) -> None:
    """Have the whole state committed, unless its numbers are not finite, and what it makes superfluous dropped.

    Args:
        run: The run.
        state: Where it stands; it may go on as soon as this returns.
        improved: Whether its weights are the best so far, to be committed as such.

    Raises:
        DivergedError: If the loss or a weight is not finite; then nothing is committed.
        StorageError: If the commit before could not be written.
    """
    mean_loss(run, state)
    # What update looks at, loss and gradients, may be finite where the step itself overflows, or a running mean does.
    weights = [value for value in state.model.state_dict().values() if value.is_floating_point()]
    if found := not_finite(torch.zeros((), device=weights[0].device), weights):
        raise diverged(run, max(state.step - 1, 0), found.replace("gradient", "weight"))
    run.recorder.sync()
    # Images that are decoded as they are needed have no digest; that of those at the start is not to be lost.
    pixels = {part: known or state.pixels.get(part, "") for part, known in run.checkpoint_meta["pixels"].items()}
    meta = {**run.checkpoint_meta, "pixels": pixels}
    content = {"meta": meta, "rng_scheme": SCHEME, "state": state.state_dict()}
    where = {"val": ("state", "model"), "val/ema": ("state", "ema", "model")}[run.plan.judged]
    best = (float(state.best.score or 0.0), where) if improved else None
    stands = status(run, state, "running", "training")
    run.saver.save(state.step, content, best, state.best.step, lambda: run.folder.write_status(stands))


def restore(run: Run, state: State) -> bool:
    """Bring state to the newest intact commit; give whether there was one.

    Raises:
        CheckpointError: If commits exist and none is intact, or the newest belongs to something else.
    """
    found = _newest(run)
    if found is None:
        return False
    path, content, best_is_whole = found
    check_meta(path.as_posix(), content["meta"], run.checkpoint_meta)
    if content.get("rng_scheme") != SCHEME:
        raise CheckpointError(f"{path}: random scheme {content.get('rng_scheme')}, expected {SCHEME}")
    load_state(state, content.get("state"), checkpoint.step_of(path), run.plan.total_steps, path.as_posix())
    state.loss_mean.total = run.together.keep(state.loss_mean.total)
    if not best_is_whole:
        _forget_best(run, state, path)
    run.saver.protect((path.name, checkpoint.name_of("best", state.best.step)))
    state.pixels = dict(content["meta"]["pixels"])
    if unknown := [part for part, known in run.checkpoint_meta["pixels"].items() if not known and state.pixels[part]]:
        said = "images are decoded as they are needed: their pixels are not compared with those of the start"
        run.recorder.say(f"warning: {' and '.join(unknown)} {said}")
    moved = moves(content["meta"].get("environment", {}), run.checkpoint_meta["environment"])
    if moved:
        said = "same data, order and augmentation, but not the same bits"
        run.recorder.say(f"resumed on another machine or software ({moved}): {said}")
    return True


def moves(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Give in words where the environment in which a run was computed differs from that of now; nothing where not."""
    # What a run from before there could be several devices does not say.
    there = {"devices": "1", **there}
    return "; ".join(f"{name} {there.get(name)} -> {here[name]}" for name in here if there.get(name) != here[name])


def _newest(run: Run) -> tuple[Path, dict[str, Any], bool] | None:
    """Give the newest intact state whose best weights are intact as well, else the newest; and which of the two."""
    folder, say = run.folder.checkpoints, run.recorder.say

    def usable(path: Path, content: dict[str, Any]) -> None:
        best = content["state"]["best"]["step"]
        if best != 0:
            checkpoint.read(folder / checkpoint.name_of("best", best))

    try:
        found, whole = checkpoint.newest(folder, "step", say, usable), True
    except CheckpointError:
        found, whole = checkpoint.newest(folder, "step", lambda line: None), False
    return None if found is None else (*found, whole)


def _forget_best(run: Run, state: State, path: Path) -> None:
    """Go on without best weights, which are damaged beside every state: they are looked for anew, beginning here."""
    lost = f"the best weights (step {state.best.step:,}, {run.plan.monitor} {state.best.score:.6g}) are damaged"
    run.recorder.say(f"warning: {lost}, and {path.name} goes on without: the best is looked for anew, beginning here")
    state.best.load_state_dict({"score": None, "step": 0})
    state.evaluated = 0 if run.plan.is_eval(state.step) else state.evaluated


def load_state(state: State, content: Any, step: int, total_steps: int, where: str) -> None:
    """Bring state to what a checkpoint holds.

    Args:
        state: That of the run.
        content: What the checkpoint holds as its state.
        step: The step in the checkpoint's name.
        total_steps: Of the run.
        where: The checkpoint, for messages.

    Raises:
        CheckpointError: If something is missing, or has other names, shapes, types or values than it can have.
    """
    require_sound(content, state, step, total_steps, where)
    try:
        state.load_state_dict(content)
    except Exception as error:  # the parts of others, such as timm's optimizers, raise whatever comes up
        raise CheckpointError(f"{where}: is not the state of this run ({type(error).__name__}: {error})") from error


def stamp(run: Run, state: State) -> dict[str, Any]:
    """Give what every record begins with."""
    return {"step": state.step, "epoch": state.step / run.plan.steps_per_epoch, "time": now()}


def training_record(run: Run, state: State) -> dict[str, float]:
    """Give the mean training loss since the last record and the rate of the last step; begin a new mean."""
    if state.loss_mean.num_images == 0:
        return {}
    loss = mean_loss(run, state)
    state.loss_mean = LossMean()
    return {"train/loss": loss, "train/lr": run.schedule.lr(max(state.step - 1, 0))}


def mean_loss(run: Run, state: State) -> float:
    """Give the mean training loss since the last record; waits for the device.

    Raises:
        DivergedError: If it is not finite, or fp16 overflows however small the loss is scaled.
    """
    value = state.loss_mean.value(run.together)
    if not math.isfinite(value):
        bad = state.loss_mean.first_bad
        found = [at for at in run.together.gather(-1 if bad is None else int(bad)) if at >= 0]
        raise diverged(run, min(found, default=max(state.step - 1, 0)), f"train/loss={value}")
    # It begins at 65,536 and is halved by each overflow: below 1 the gradients overflow by themselves.
    if state.scaler.is_enabled() and state.scaler.get_scale() < 1:
        raise diverged(run, max(state.step - 1, 0), f"the loss scale is {state.scaler.get_scale():.3g}")
    return value
