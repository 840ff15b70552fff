"""The end of a run in an error: what its status says, and what the user is told."""

from __future__ import annotations

from typing import Any

import torch

from cvrun.command._output import say
from cvrun.errors import ConfigError, CvrunError, DivergedError, EndedElsewhereError, OutOfMemoryError
from cvrun.folder import RunFolder
from cvrun.plan import Plan
from cvrun.stopping import STOPPED


def state_after(error: BaseException) -> str:
    """Give the state of a run that ended in an error, which may have been that of another process."""
    if isinstance(error, EndedElsewhereError):
        code: Any = error.exit_code
    else:
        code = error.code if isinstance(error, SystemExit) else None
    if isinstance(error, DivergedError) or code == DivergedError.exit_code:
        return "diverged"
    return "interrupted" if isinstance(error, KeyboardInterrupt) or code in STOPPED else "failed"


def note_failure(folder: RunFolder, state: str, error: BaseException) -> None:
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


def for_the_user(error: Exception, plan: Plan) -> Exception:
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
