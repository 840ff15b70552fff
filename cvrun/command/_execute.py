"""Bring one run to its end: hold its folder, start or go on, train, finish; shared by train and resume."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cvrun import fault
from cvrun.build import build_loggers, build_run, header
from cvrun.changes import NO_CHANGES, Changes
from cvrun.command._changes import check, take_effect, with_changes
from cvrun.command._data_list import require_same
from cvrun.command._data_list import write as write_list
from cvrun.command._output import say
from cvrun.command._run_folder import require_own_files
from cvrun.command._saved_plan import read_plan
from cvrun.errors import CheckpointError, ConfigError, CvrunError, DivergedError, OutOfMemoryError
from cvrun.folder import RunFolder, write_atomic
from cvrun.logger._together import Loggers
from cvrun.plan import Plan
from cvrun.prepare import Prepared, prepare
from cvrun.rehearse import require_weights
from cvrun.spec import Spec
from cvrun.stopping import STOPPED, ending
from cvrun.trainer import Run
from cvrun.trainer.checkpoint import commits
from cvrun.trainer.evaluate import Interrupted
from cvrun.trainer.finish import finish
from cvrun.trainer.loop import restore, save, train
from cvrun.trainer.saver import Saver
from cvrun.trainer.signals import StopRequest, listening
from cvrun.trainer.state import State
from cvrun.trainer.status import write_status


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        folder: The run's folder.
        status: What status.json says.
        exit_code: 0, or 130 or 143 after a signal.
        note: A line about what happened before, or nothing.
    """

    folder: Path
    status: dict[str, Any]
    exit_code: int = 0
    note: str = ""


def execute(spec: Spec, folder: RunFolder, rerun: bool, changes: Changes = NO_CHANGES) -> Outcome:
    """Run what spec describes: start it, go on with it, or give what is stored when it is finished.

    Args:
        spec: What the user wants; of a run that is there, what it started with.
        folder: Where the run lives or will live.
        rerun: Whether to start afresh, keeping an earlier run of the same id aside.
        changes: What is to change in a run that is there.

    Raises:
        CvrunError: If it cannot be run; the folder's status says why.
    """
    with ending():
        require_own_files(folder)
        earlier = None if rerun else _read_plan(folder, spec.id)
        spec = spec if rerun else with_changes(spec, folder, changes)
        precision = earlier["training"]["precision"] if earlier and spec.trainer.precision == "auto" else None
        prepared = prepare(spec, folder, precision)
        if earlier is None:
            require_weights(spec)
        fault.point("start.planned")
        return _hold_and_work(prepared, rerun, changes)


def _hold_and_work(prepared: Prepared, rerun: bool, changes: Changes) -> Outcome:
    plan = prepared.plan
    folder, spec = plan.folder, plan.spec
    with folder.hold():
        fault.point("start.held")
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
            if prepared.left_out is not None:
                write_atomic(folder.path / "unreadable.csv", prepared.left_out.to_csv())
            write_atomic(folder.plan, plan.to_yaml().encode())
            write_atomic(folder.spec, spec.text.encode())
        before = float((status or {}).get("seconds") or 0.0)
        recorder = build_loggers(plan)
        for line in lines:
            recorder.say(line)
        return _work(prepared, recorder, before, changes)


def _work(prepared: Prepared, recorder: Loggers, seconds_before: float, changes: Changes) -> Outcome:
    folder = prepared.plan.folder
    began = time.monotonic()
    stop = StopRequest()
    saver = Saver(folder.checkpoints, prepared.plan.spec.settings.disk_full, recorder.say)
    try:
        with saver:
            run, state = build_run(prepared, recorder, saver, stop, lambda: seconds_before + time.monotonic() - began)
            fault.point("start.decoded")
            restored = restore(run, state)
            # What an earlier attempt found; this one is to find out anew.
            folder.diverged.unlink(missing_ok=True)
            take_effect(run, state, prepared.plan, changes, recorder.say)
            recorder.open(header(prepared.plan, state.step, state.evaluated))
            if restored:
                recorder.say(f"going on from step {state.step:,}")
            write_status(run, state, "running", "training")
            with listening(stop):
                over = _train_and_finish(run, state)
        if over:
            return Outcome(folder.path, folder.read_status() or {})
        reason = f"stopped by {stop.name} after step {state.step:,}"
        recorder.say(reason)
        write_status(run, state, "interrupted", reason)
        return Outcome(folder.path, folder.read_status() or {}, stop.exit_code, "cvrun resume goes on from here")
    except (RuntimeError, MemoryError) as error:
        wrapped = _for_the_user(error, prepared.plan)
        _note_failure(folder, "failed", wrapped)
        raise wrapped from error
    except DivergedError as error:
        _note_failure(folder, "diverged", error)
        raise
    except BaseException as error:
        code = getattr(error, "code", None) if isinstance(error, SystemExit) else None
        stopped = isinstance(error, KeyboardInterrupt) or code in STOPPED
        _note_failure(folder, "interrupted" if stopped else "failed", error)
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


def _note_failure(folder: RunFolder, state: str, error: BaseException) -> None:
    """Write why a run ended into its status, over what the last commit said about the rest."""
    status = folder.read_status() or {"step": 0, "seconds": 0.0, "score": None}
    if status.get("state") == "finished":
        # It failed before a change took effect, or after the end.
        return
    reason = "stopped by a signal" if state == "interrupted" else str(error) or type(error).__name__
    try:
        folder.write_status({**status, "state": state, "reason": reason, "resumable": state != "diverged"})
    except CvrunError as also:
        say(f"cvrun: {also}")


def _for_the_user(error: Exception, plan: Plan) -> Exception:
    """Give the user's error for one that torch raises as a plain RuntimeError; others stay as they are."""
    if _is_out_of_memory(error):
        return _out_of_memory(plan)
    if "does not have a deterministic implementation" in str(error):
        what = str(error).partition(" ")[0]
        return ConfigError(f"deterministic=true: {what} has no strict kernel on {plan.device}", "deterministic=false")
    return error


def _is_out_of_memory(error: BaseException) -> bool:
    # torch has no class of its own for a host that runs out of memory.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


def _out_of_memory(plan: Plan) -> OutOfMemoryError:
    peak = torch.cuda.max_memory_allocated(plan.device) if plan.device.startswith("cuda") else 0
    used = f", peak {peak / 2**30:.1f} GiB" if peak else ""
    batch, size = plan.training.batch_size, plan.shape.size
    message = f"out of memory on {plan.device} with trainer.batch_size={batch}, images of {size} pixels{used}"
    return OutOfMemoryError(message, "raise trainer.accumulate, or lower trainer.batch_size or data.size")


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
