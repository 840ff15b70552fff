"""One optimizer step."""

from __future__ import annotations

import torch
from torch import Tensor

from cvrun.pipeline import Batch
from cvrun.rng import seed_all
from cvrun.trainer import Run
from cvrun.trainer.state import State


def update(run: Run, state: State, batch: Batch) -> Tensor:
    """Make one optimizer step over batch, in `plan.accumulate` parts; give the mean loss, float32, detached."""
    parts = batch.parts(run.plan.accumulate)
    loss = torch.zeros((), device=batch.image.device)
    for position, part in enumerate(parts):
        seed_all(run.plan.seed, "step", state.step, position)
        with run.autocast():
            share = run.task.loss(state.model, part, batch)
        state.scaler.scale(share).backward()  # type: ignore[no-untyped-call]
        loss = loss + share.detach()
    state.scaler.unscale_(state.optimizer)
    run.clip([parameter for group in state.optimizer.param_groups for parameter in group["params"]])
    set_lr(state.optimizer, run.schedule.lr(state.step))
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.zero_grad(set_to_none=True)
    state.ema.update(state.model)
    state.step += 1
    return loss


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = lr
