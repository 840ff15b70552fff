"""The end of a run whose numbers are not finite: what is known of the step goes into diverged.json."""

from __future__ import annotations

import json
from typing import Any

from cvrun.errors import DivergedError
from cvrun.folder import finite
from cvrun.trainer import Run

HINT = "lower optimizer.lr, add warmup, or set trainer.max_grad_norm"


def diverged(run: Run, step: int, found: str) -> DivergedError:
    """Write diverged.json: step, learning rate, what was found, and the images of the step; give the error to raise.

    Args:
        run: The run.
        step: The update that is to blame, counted from 0.
        found: Such as "train/loss=nan".
    """
    rows = [] if step >= run.plan.total_steps else run.step_images(step).tolist()
    lr = run.schedule.lr(step)
    content: dict[str, Any] = {"step": step, "lr": lr, "found": found, "images": [run.ids[row] for row in rows]}
    run.folder.write(run.folder.diverged, json.dumps(finite(content), indent=1).encode() + b"\n")
    message = f"{found} in the update after step {step:,} (lr {lr:.4g}), expected finite numbers"
    return DivergedError(f"{message}; its {len(rows)} images are in diverged.json", HINT)
