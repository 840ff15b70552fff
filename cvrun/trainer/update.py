"""One optimizer step."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from cvrun import fault
from cvrun.pipeline import Batch
from cvrun.rng import seed_all
from cvrun.trainer import Run
from cvrun.trainer.diverged import diverged
from cvrun.trainer.state import State


def update(run: Run, state: State, batch: Batch) -> Tensor:
    """Make one optimizer step over batch, in `plan.accumulate` parts; give the mean loss, float32, detached.

    Over several ranks batch is a rank's own, the step is that over the batches of all, and what they give adds up to
    the mean loss.

    Raises:
        DivergedError: If loss or a gradient is not finite, on a CPU; the weights are as they were before the step.
    """
    fault.point("step.begin")
    parts = batch.parts(run.plan.accumulate)
    shares = []
    for position, part in enumerate(parts):
        seed_all(run.plan.seed, "step", state.step, position, *run.together.key)
        with run.autocast():
            share = run.share(part, batch, position + 1 == len(parts))
        state.scaler.scale(share).backward()  # type: ignore[no-untyped-call]
        shares.append(share.detach())
    loss = functools.reduce(torch.add, shares)
    state.scaler.unscale_(state.optimizer)
    if not state.scaler.is_enabled() and loss.device.type == "cpu":
        found = not_finite(loss, [grad for value in state.parameters if (grad := value.grad) is not None])
        if found:
            raise diverged(run, state.step, found)
    run.clip(state.parameters)
    set_lr(state.optimizer, run.schedule.lr(state.step))
    state.scaler.step(state.optimizer)
    state.scaler.update()
    # What zero_grad does, without its mark for profiles.
    for parameter in state.parameters:
        parameter.grad = None
    state.ema.update(state.model)
    state.step += 1
    fault.point("step.updated")
    return loss


def not_finite(loss: Tensor, gradients: list[Tensor]) -> str:
    """Give what is not finite, such as "train/loss=nan" or "a gradient is not finite"; nothing where all is well.

    Waits for the device, and costs one pass over the gradients.
    """
    value = float(loss)
    if value - value != 0:
        return f"train/loss={value}"
    found = torch.zeros((), device=loss.device)
    if gradients:
        # What GradScaler uses: several times faster than norms. Multiplying by 1 changes no bit.
        torch._amp_foreach_non_finite_check_and_unscale_(gradients, found, _one(loss.device))
    return "a gradient is not finite" if float(found) else ""


@functools.cache
def _one(device: torch.device) -> Tensor:
    return torch.ones((), device=device)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = lr
