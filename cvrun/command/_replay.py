"""Train a run again, in a folder of its own, up to where its newest state is, and compare the bits."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvrun.build import build_loggers, build_run, header
from cvrun.changes import Entry
from cvrun.changes import read as read_changes
from cvrun.command._data_list import require_same
from cvrun.errors import CheckpointError, ConfigError
from cvrun.folder import RunFolder
from cvrun.prepare import prepare
from cvrun.spec import Spec
from cvrun.trainer import checkpoint
from cvrun.trainer.cost import Cost
from cvrun.trainer.digest import digest
from cvrun.trainer.evaluate import Interrupted
from cvrun.trainer.loop import moves, restore, train
from cvrun.trainer.saver import Saver
from cvrun.trainer.state import State
from cvrun.yamlfile import load_yaml


@dataclass
class _StopAt:
    """Requests a stop when the run is where step updates and an evaluation after `evaluated` of them had brought it."""

    step: int
    evaluated: int
    state: State | None = None

    @property
    def requested(self) -> bool:
        state = self.state
        return state is not None and state.step >= self.step and state.evaluated >= self.evaluated


def replay(folder: RunFolder, spec: Spec, since: int | None, say: Callable[[str], None]) -> str:
    """Give a line that says that the bits are the same.

    Args:
        folder: The run; it stays as it is.
        spec: The run's own, with machine keys as wanted.
        since: A step whose state was kept and from which to start; None: from the beginning.
        say: Takes lines on the way.

    Raises:
        CheckpointError: If the bits are others, or there is nothing to compare with or to start from.
        ConfigError: If a change of the run makes a start so early meaningless.
    """
    found = checkpoint.newest(folder.checkpoints, "step", say)
    if found is None:
        raise CheckpointError(f"{folder.checkpoints}: no checkpoint to compare with")
    path, content = found
    theirs = content["state"]
    until = checkpoint.step_of(path)
    changed = max((entry.step for entry in read_changes(folder.changes) if _moves_bits(entry)), default=0)
    if changed > (since or 0) or (since or 0) >= until:
        hint = f"--since STEP from {changed:,} on, with a state that is in {folder.checkpoints}"
        raise ConfigError(f"--since {since or 0}: the run changed at step {changed:,} and is at {until:,}", hint)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cvrun-replay-") as name:
        other = RunFolder(Path(name) / "run")
        if since:
            _copy(folder.checkpoints / checkpoint.name_of("step", since), other.checkpoints)
        mine, said = _train(other, folder, spec, _StopAt(until, theirs["evaluated"]), say)
        rows = _records(other, since or 0), [row for row in _records(folder, since or 0) if row["step"] <= until]
    found_digest = digest(mine)
    same = found_digest == digest(theirs)
    seconds = time.monotonic() - began
    what = f"steps {since or 0:,} to {until:,} in {seconds:.1f} s"
    if not same or _of_names(*rows) != rows[1]:
        part = "the records" if same else _first_difference(mine, theirs)
        raise CheckpointError(f"{folder.path}: replayed {what}, and the bits are others, first in {part}", said)
    return f"replayed {what}: the same bits, {len(rows[0]):,} records and digest {found_digest[:16]}\n"


def _train(
    other: RunFolder, folder: RunFolder, spec: Spec, stop: _StopAt, say: Callable[[str], None]
) -> tuple[dict[str, Any], str]:
    """Give the state where stop comes, and what differs between then and now in machine and software."""
    plan = load_yaml(folder.plan)
    prepared = prepare(dataclasses.replace(spec, loggers={}), folder, plan["training"]["precision"])
    require_same(prepared, plan)
    prepared = dataclasses.replace(prepared, plan=dataclasses.replace(prepared.plan, folder=other))
    other.path.mkdir(parents=True, exist_ok=True)
    moved = moves(plan["environment"], prepared.plan.environment)
    said = f"it ran with {moved}" if moved else ""
    if said:
        say(f"{said}: the same bits are not to be expected")
    recorder = build_loggers(prepared.plan)
    with Saver(other.checkpoints, "stop", say) as saver:
        run, state = build_run(prepared, recorder, saver, stop, Cost())
        restore(run, state)
        recorder.open(header(prepared.plan, state.step, state.evaluated))
        stop.state = state
        try:
            train(run, state)
        except Interrupted:
            # So was the run itself.
            pass
        finally:
            recorder.close()
    return state.state_dict(), said


def _moves_bits(entry: Entry) -> bool:
    """Whether training is another one since a change: views of the last evaluation and commits are not part of it."""
    return not all(key.partition(".")[0] == "tta" or key == "trainer.save_every" for key in entry.changes)


def _copy(source: Path, checkpoints: Path) -> None:
    """Copy the state at source, which must be whole."""
    checkpoint.read(source)
    checkpoints.mkdir(parents=True)
    shutil.copytree(source, checkpoints / source.name)


def _records(folder: RunFolder, since: int) -> list[dict[str, Any]]:
    """Give the records after a step without their times, and without that of the end."""
    rows = [json.loads(line) for line in folder.records.read_text().splitlines()]
    kept = [row for row in rows if row["step"] > since and "best/step" not in row]
    return [{key: value for key, value in row.items() if key != "time"} for row in kept]


def _of_names(mine: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give mine with the names of theirs: an earlier version measured less."""
    if len(mine) != len(theirs):
        return mine
    return [{name: row[name] for name in row if name in old} for row, old in zip(mine, theirs, strict=True)]


def _first_difference(mine: dict[str, Any], theirs: Any) -> str:
    """Give the path to the first part that differs, such as model.conv.weight."""
    for key, value in mine.items():
        other = theirs.get(key)
        if digest(value) != digest(other):
            inner = isinstance(value, dict) and isinstance(other, dict)
            return f"{key}.{_first_difference(value, other)}".rstrip(".") if inner else str(key)
    return ""
