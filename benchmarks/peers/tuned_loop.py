"""A hand-written loop with everything that cvrun's pipeline has: the honest ceiling of cvrun's trainer.

Store, loader, augmentation, precision, layout and optimizer come from cvrun; the loop, the evaluation and the
checkpoint are the least that keeps the same numbers: the sum of the loss, the accuracy, a state an epoch.
"""

from __future__ import annotations

from pathlib import Path

import torch
from job import Told, read
from overrides import overrides
from torch.nn.functional import cross_entropy


class Never:
    requested = False


def built(words: list[str]):
    """Give run, state, recorder and saver as `cvrun train` makes them; nothing has been trained."""
    from cvrun import config
    from cvrun.build import build_loggers, build_run, header
    from cvrun.prepare import prepare
    from cvrun.trainer.cost import Cost
    from cvrun.trainer.saver import Saver

    prepared = prepare(config.compose(words))
    prepared.plan.folder.path.mkdir(parents=True, exist_ok=True)
    recorder = build_loggers(prepared.plan)
    saver = Saver(prepared.plan.folder.checkpoints, "stop", recorder.say)
    run, state = build_run(prepared, recorder, saver, Never(), Cost())
    recorder.open(header(prepared.plan, 0, 0))
    return run, state, recorder


def steps(run, state, batches, count: int) -> float:
    """Do count steps of the least that a loop has to do, and give the mean loss."""
    loss_sum = torch.zeros((), device=next(state.model.parameters()).device)
    for _ in range(count):
        batch = next(batches)
        with run.autocast():
            loss = cross_entropy(state.model(batch.image), batch.target)
        loss.backward()
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        loss_sum += loss.detach()
    return float(loss_sum) / count


def accuracy(run, state) -> float:
    """Give the share of validation images that are right."""
    state.model.eval()
    right = total = 0
    with torch.inference_mode():
        for batch in run.val_batches():
            with run.autocast():
                right += int((state.model(batch.image).argmax(1) == batch.target).sum())
            total += len(batch)
    state.model.train()
    return right / total


def main() -> None:
    job = read()
    told = Told(job)
    if job.model.startswith("bench_"):
        import network  # noqa: F401
    run, state, recorder = built([*overrides(job), f"output_root={job.scratch}"])
    recorder.close()
    state.model.train()
    batches = run.train_batches(0)
    for _ in range(job.epochs):
        told.begin()
        steps(run, state, batches, run.plan.steps_per_epoch)
        told.end(run.plan.steps_per_epoch * job.batch)
        score = accuracy(run, state)
        torch.save(state.model.state_dict(), Path(job.scratch, "checkpoint.pth"))
    told.write(score)


if __name__ == "__main__":
    main()
