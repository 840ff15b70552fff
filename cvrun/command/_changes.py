"""Changes to a run that goes on: what may be asked for, and how it takes effect."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from cvrun import options
from cvrun.changes import NO_WAY_BACK, Changes, Entry, as_overrides, difference, read, said, values, write
from cvrun.config import assignments, in_force, replaced, saved
from cvrun.errors import CheckpointError, ConfigError
from cvrun.folder import RunFolder, finite, now, write_atomic
from cvrun.keys import ALLOWED, FREE, FROZEN, LR_FLAG, class_of, missing_choice, require_changeable, require_own
from cvrun.plan import Plan
from cvrun.scheduler import Schedule, Span
from cvrun.spec import Spec
from cvrun.trainer import Run, checkpoint
from cvrun.trainer.state import State
from cvrun.trainer.status import write_status
from cvrun.yamlfile import load_yaml

Say = Callable[[str], None]


def asked(folder: RunFolder, words: Sequence[str], lr_may_change: bool) -> tuple[Spec, Changes]:
    """Give the Spec of a saved run with the free keys of words in it, and what else they change.

    Args:
        folder: The run.
        words: KEY=VALUE or GROUP=NAME.
        lr_may_change: Whether `optimizer.lr` may be among them.

    Raises:
        ConfigError: If a key may not change, or a value cannot be.
        CheckpointError: If changes.jsonl is damaged.
    """
    start = saved(folder.spec)
    before = in_force(start, folder)
    given = assignments(words)
    for text, key, _ in given:
        require_changeable(text, key, before)
    # As on the command line of train, a choice comes before the keys of what it chose, wherever it stands.
    choices = [(key, _nodes(text, key, value)) for text, key, value in given if key in options.GROUPS]
    chosen = replaced(before, choices)
    for text, key, _ in given:
        require_own(text, key, chosen)
    pairs = choices + [(key, value) for _, key, value in given if key not in options.GROUPS]
    changes = difference(before, replaced(before, pairs))
    for key, change in changes.items():
        if class_of(key) == FROZEN:
            raise ConfigError(f"{' '.join(words)}: makes {said({key: change})[0]} as well, and {key} is frozen")
    changes = {key: change for key, change in changes.items() if class_of(key) == ALLOWED}
    lr = "optimizer.lr"
    if lr in changes and not lr_may_change:
        shown = said({lr: changes[lr]})[0]
        raise ConfigError(f"{shown}: expected {LR_FLAG} beside it", "cvrun train with another value is another run")
    if lr_may_change and not any(key == lr for _, key, _ in given):
        raise ConfigError(f"{LR_FLAG}: expected {lr}=VALUE beside it")
    return replaced(start, [(key, value) for key, value in pairs if class_of(key) == FREE]), changes


def with_changes(spec: Spec, folder: RunFolder, changes: Changes) -> Spec:
    """Give spec with what changed in the run before, and with changes.

    Raises:
        CheckpointError: If changes.jsonl is damaged.
    """
    new = replaced(in_force(spec, folder), [(key, after) for key, (_, after) in changes.items()])
    changed = [pair for pair in new.replaced if class_of(pair[0]) == ALLOWED]
    return dataclasses.replace(new, overrides=tuple(as_overrides(spec.overrides, changed)))


def check(plan: Plan, changes: Changes) -> None:
    """See that the run can go on as planned; call it while the folder is held, before anything is written.

    Args:
        plan: What is to be done, with changes.
        changes: What is asked for now.

    Raises:
        ConfigError: If more is done than the plan has, or another process changed the run meanwhile.
        CheckpointError: If there is nothing to go on from.
    """
    folder = plan.folder
    entries = read(folder.changes)
    expected = (*values(entries), *((key, after) for key, (_, after) in changes.items()))
    if plan.spec.replaced[len(plan.spec.replaced) - len(expected) :] != expected:
        raise ConfigError(
            f"{folder.path}: another process changed this run meanwhile", "the same command again goes on"
        )
    finished = (folder.read_status() or {}).get("state") == "finished"
    if not expected or (finished and not changes):
        return
    found = checkpoint.newest(folder.checkpoints, "step", lambda line: None)
    if found is None and (finished or any(entry.step > 0 for entry in entries)):
        raise CheckpointError(f"{folder.checkpoints}: no checkpoint is left, nothing to go on from", NO_WAY_BACK)
    done, training = checkpoint.step_of(found[0]) if found else 0, plan.training
    if training.total_steps < done:
        epochs = plan.spec.trainer.epochs
        steps = f"{epochs} x {training.steps_per_epoch} = {training.total_steps:,} steps, and {done:,} are done"
        least = -(-done // training.steps_per_epoch)
        raise ConfigError(f"trainer.epochs={epochs}: {steps}, expected at least {least} epochs")


def take_effect(run: Run, state: State, plan: Plan, changes: Changes, say: Say) -> None:
    """Keep changes in the folder and say what they do; call it when state is restored, before the first step.

    Args:
        run: The run, as planned with changes.
        state: Where it stands.
        plan: What is to be done.
        changes: What is asked for now.
        say: Takes a line for the user.

    Raises:
        StorageError: If the folder cannot be written.
    """
    folder = plan.folder
    entries = read(folder.changes)
    late = [entry.step for entry in entries if entry.step > state.step]
    if late:
        again = f"the steps from {state.step:,} on are done again with it"
        say(f"warning: what changed at step {late[-1]:,} holds earlier than before: {again}")
    if changes:
        # Not finished any more, before the plan becomes another: a crash in between loses nothing.
        write_status(run, state, "running", "training")
        entries.append(Entry(now(), state.step, changes))
        write(folder.changes, entries)
        for line in said(changes):
            say(f"changed: {line}")
    if not entries:
        return
    # A replay can begin no earlier than there.
    run.saver.protect([checkpoint.name_of("step", entries[-1].step)])
    _renew(plan, run.schedule, state, entries, say)
    if changes and state.stopper.stopped and state.step < plan.training.total_steps:
        say("early stopping still holds, so nothing more is trained; early_stopping=never trains on")


def _renew(plan: Plan, schedule: Schedule, state: State, entries: Sequence[Entry], say: Say) -> None:
    """Bring plan.yaml, which keeps the facts of the start, to the numbers of now."""
    kept: dict[str, Any] = load_yaml(plan.folder.plan)
    training = finite(dataclasses.asdict(plan.training))
    overrides = as_overrides(kept.get("overrides") or [], values(entries))
    if (kept["training"], kept.get("overrides")) == (training, overrides):
        return
    before, after = _lr(kept["training"], plan, state), schedule.lr(state.step)
    content = {**kept, "training": training, "overrides": overrides}
    write_atomic(plan.folder.plan, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())
    if state.step < plan.training.total_steps and not math.isclose(before, after):
        say(f"lr at step {state.step:,}: {before:.6g} -> {after:.6g}")


def _lr(training: dict[str, Any], plan: Plan, state: State) -> float:
    """Give the rate that the step to come has under the numbers of an earlier plan."""
    warmup = training["warmup_steps"]
    span = Span(training["total_steps"] - warmup, warmup, training["steps_per_epoch"], training["lr"])
    choice = plan.spec.parts["scheduler"]
    schedule: Schedule = options.build("scheduler", choice.option, choice.config, span)
    schedule.plateau.load_state_dict(state.plateau.state_dict())
    return schedule.lr(state.step)


def _nodes(text: str, group: str, value: Any) -> dict[str, Any]:
    """Give what the YAML file of a choice says; of loggers, name -> that of each."""
    names = value if group == "logger" and isinstance(value, list) else [value]
    found = {}
    for name in names:
        if not isinstance(name, str):
            raise ConfigError(f"{text}: expected GROUP=NAME with a name that is text")
        if name not in options.choices(group):
            raise missing_choice(f"{group}/{name}.yaml", ())
        found[name] = yaml.safe_load(options.choices(group)[name].read_text())
    return found if group == "logger" else dict(found[names[0]])
