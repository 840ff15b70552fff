"""Bring one run to its end: hold its folder, start or go on, train, finish; shared by train and resume."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvrun import dist, fault, normalized
from cvrun.build import build_loggers, build_run, header
from cvrun.card import COPY
from cvrun.changes import NO_CHANGES, Changes
from cvrun.command._audited import audited
from cvrun.command._changes import check, take_effect, with_changes
from cvrun.command._data_list import require_same
from cvrun.command._data_list import write as write_list
from cvrun.command._failure import for_the_user, note_failure, state_after
from cvrun.command._launch import in_this_world
from cvrun.command._run_folder import require_own_files
from cvrun.command._saved_plan import read_plan
from cvrun.dist import Together
from cvrun.errors import CheckpointError, ConfigError
from cvrun.folder import RunFolder, write_atomic
from cvrun.logger._silent import Silent
from cvrun.logger._together import Loggers
from cvrun.prepare import Prepared, prepare
from cvrun.ranks import joined
from cvrun.rehearse import require_weights
from cvrun.spec import Spec
from cvrun.split._file import content
from cvrun.stopping import ending
from cvrun.trainer import Run
from cvrun.trainer.checkpoint import commits
from cvrun.trainer.cost import Cost
from cvrun.trainer.evaluate import Interrupted
from cvrun.trainer.finish import finish
from cvrun.trainer.loop import restore, save, train
from cvrun.trainer.saver import NoSaver, Saver
from cvrun.trainer.signals import StopRequest, listening
from cvrun.trainer.state import State
from cvrun.trainer.status import write_status
from cvrun.warned import Warned, hearing, not_wanted


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        folder: The run's folder.
        status: What status.json says.
        exit_code: 0, or 130 or 143 after a signal.
        note: A line about what happened before, or nothing.
        ours: Whether this process tells the user; of several that train together one does.
    """

    folder: Path
    status: dict[str, Any]
    exit_code: int = 0
    note: str = ""
    ours: bool = True


def execute(spec: Spec, folder: RunFolder, rerun: bool, changes: Changes = NO_CHANGES) -> Outcome:
    """Run what spec describes: start it, go on with it, or give what is stored when it is finished.

    A launcher calls this in several processes, which train together; the first of them holds and writes the folder.

    Args:
        spec: What the user wants; of a run that is there, what it started with.
        folder: Where the run lives or will live.
        rerun: Whether to start afresh, keeping an earlier run of the same id aside.
        changes: What is to change in a run that is there.

    Raises:
        CvrunError: If it cannot be run; the folder's status says why.
    """
    cost = Cost()
    with ending(), hearing(dist.local_rank()) as warned:
        mine = in_this_world(spec)
        with joined(mine.settings.devices, mine.settings.device) as together:
            folder = dataclasses.replace(folder, ours=together.leads)
            require_own_files(folder)
            earlier = None if rerun else _read_plan(folder, spec.id)
            spec = mine if rerun else in_this_world(with_changes(spec, folder, changes))
            precision = earlier["training"]["precision"] if earlier and spec.trainer.precision == "auto" else None
            prepared = prepare(spec, folder, precision, together)
            if earlier is None:
                require_weights(spec)
                prepared = audited(prepared, together)
            warned.strict = spec.settings.strict_warnings
            warned.add(prepared.plan.warnings)
            warned.require_none()
            fault.point("start.planned")
            # Nobody writes before all have read.
            together.wait()
            outcome = _hold_and_work(prepared, rerun, changes, together, warned, cost)
            return dataclasses.replace(outcome, ours=together.leads)


def _hold_and_work(
    prepared: Prepared, rerun: bool, changes: Changes, together: Together, warned: Warned, cost: Cost
) -> Outcome:
    plan = prepared.plan
    with plan.folder.hold():
        fault.point("start.held")
        begun = together.first(lambda: _begin(prepared, rerun, changes))
        if isinstance(begun, Outcome):
            return begun
        lines, before = begun
        cost.add(before)
        if plan.folder.ours:
            warned.write_to(plan.folder.warnings)
        recorder = build_loggers(plan)
        for line in lines:
            recorder.say(line)
        return _work(prepared, recorder, cost, changes, together, warned)


def _begin(prepared: Prepared, rerun: bool, changes: Changes) -> Outcome | tuple[list[str], dict[str, Any]]:
    """Write what a start has to write; give the outcome where nothing is to do, else lines to say and the status."""
    plan = prepared.plan
    folder, spec = plan.folder, plan.spec
    # Read again: another process may have held the folder until now.
    earlier = None if rerun else _read_plan(folder, spec.id)
    lines = [f"warning: {line}" for line in plan.warnings]
    if rerun and folder.spec.exists():
        lines.append(f"the earlier run is kept in {folder.set_aside()}")
    status = folder.read_status()
    if earlier is not None:
        require_same(prepared, earlier)
    check(plan, changes)
    if earlier is not None:
        if status is not None and status.get("state") == "finished" and not changes:
            return Outcome(folder.path, status, note="finished before; rerun=true starts it afresh")
        if earlier.get("code") != plan.code:
            lines.append(f"warning: started under cvrun {earlier.get('code')}, this is {plan.code}")
    else:
        if (status or {}).get("step") and not rerun:
            lines.append("warning: no checkpoint of the earlier steps is left, so they are done again")
        write_list(folder.data, prepared)
        write_atomic(folder.path / "split.csv", content(prepared.manifest, prepared.split))
        if plan.card is not None:
            write_atomic(folder.path / COPY, plan.card.content)
        if prepared.left_out is not None:
            write_atomic(folder.path / "unreadable.csv", prepared.left_out.to_csv())
        write_atomic(folder.plan, plan.to_yaml().encode())
        write_atomic(folder.spec, spec.text.encode())
    return lines, status or {}


def _work(
    prepared: Prepared,
    recorder: Loggers | Silent,
    cost: Cost,
    changes: Changes,
    together: Together,
    warned: Warned,
) -> Outcome:
    folder = prepared.plan.folder
    # A warning that is to end the run ends it as a signal does: at a step, and committed.
    stop = StopRequest(quiet=not folder.ours, other=lambda: warned.first != "")
    settings, counts = prepared.plan.spec.settings, prepared.plan.training.is_kept
    how = settings.disk_full, recorder.say, settings.keep_states, counts
    saver = Saver(folder.checkpoints, *how) if folder.ours else NoSaver()

    try:
        with together.explaining(), saver:
            run, state = build_run(prepared, recorder, saver, stop, cost, together)
            fault.point("start.decoded")
            warned.require_none()
            restored = restore(run, state)
            # What an earlier attempt found; this one is to find out anew.
            folder.diverged.unlink(missing_ok=True)
            if folder.ours:
                take_effect(run, state, prepared.plan, changes, recorder.say)
            recorder.open(header(prepared.plan, state.step, state.evaluated))
            recorder.say(normalized.line(prepared.plan, run.checkpoint_meta))
            if restored:
                recorder.say(f"going on from step {state.step:,}")
            cost.begin("train")
            write_status(run, state, "running", "training")
            with listening(stop):
                over = _train_and_finish(run, state)
            if unwanted := next(filter(None, together.gather(warned.first)), ""):
                raise not_wanted(unwanted)
            # A signal may have come to one of them.
            stop.signal = max(together.gather(stop.signal or 0)) or None
        if over:
            return Outcome(folder.path, folder.read_status() or {})
        reason = f"stopped by {stop.name} after step {state.step:,}"
        recorder.say(reason)
        write_status(run, state, "interrupted", reason)
        return Outcome(folder.path, folder.read_status() or {}, stop.exit_code, "cvrun resume goes on from here")
    except (RuntimeError, MemoryError) as error:
        wrapped = for_the_user(error, prepared.plan)
        note_failure(folder, "failed", wrapped)
        raise wrapped from error
    except BaseException as error:
        note_failure(folder, state_after(error), error)
        raise
    finally:
        recorder.close()


def _train_and_finish(run: Run, state: State) -> bool:
    """Give whether the run came to its end; otherwise its state is committed."""
    try:
        if not train(run, state):
            return False
        finish(run, state)
    except Interrupted:
        save(run, state)
        run.saver.finish()
        return False
    return True


def _read_plan(folder: RunFolder, run_id: str) -> dict[str, Any] | None:
    """Give the plan of an earlier start, or None where there was none that committed anything.

    Raises:
        CheckpointError: If the plan is damaged, or is that of another run than run_id.
    """
    if not folder.spec.exists():
        return None
    # A finished run stays finished when its checkpoints are removed to save space.
    began = bool(commits(folder.checkpoints, "step")) or (folder.read_status() or {}).get("state") == "finished"
    try:
        plan = read_plan(folder.plan)
    except (OSError, ConfigError) as error:
        if not began:
            return None
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise CheckpointError(f"{folder.plan}: damaged ({reason})", "rerun=true starts afresh") from error
    if (there := plan["run_id"]) != run_id:
        message = f"{folder.path}: plan.yaml is that of run {there}, but spec.yaml describes {run_id}"
        raise CheckpointError(message, "neither can be changed by hand; cvrun train with other values is another run")
    return plan if began else None
