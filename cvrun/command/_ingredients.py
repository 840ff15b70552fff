"""The models of a soup: best weights of finished runs, or the last states of one, which must be alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from cvrun import tensorfile
from cvrun.command._run_folder import existing
from cvrun.config import load
from cvrun.errors import CheckpointError, ConfigError
from cvrun.folder import RunFolder
from cvrun.report.openings import run_name
from cvrun.spec import Choice, Spec
from cvrun.trainer import TrainingPlan, checkpoint
from cvrun.trainer.belonging import check_meta, require_own_split
from cvrun.trainer.digest import digest

_START = ("weights", "pretrained", "head", "drop_rate", "drop_path_rate")
"""Keys of a model that say how it starts and trains, not what it computes."""

_ALIKE = "a soup is of runs with one model on one split, such as runs that differ in their learning rate"


@dataclass(frozen=True)
class Ingredient:
    """A model of a soup.

    Attributes:
        folder: Of its run.
        name: The run's folder from that of its runs on, with the step where the weights are not the best.
        checkpoint: Name of the commit.
        step: Optimizer steps after which the weights were saved.
        meta: What the commit says about its run.
        weights: Name -> tensor.
        digest: sha256 (hex) of them.
    """

    folder: RunFolder
    name: str
    checkpoint: str
    step: int
    meta: dict[str, Any]
    weights: Mapping[str, Tensor]
    digest: str

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return str(self.meta["run_id"])


def best_of(paths: Sequence[Path]) -> list[Ingredient]:
    """Give the best weights of finished runs, which are alike.

    Raises:
        ConfigError: If there are fewer than two, one has not finished, or two have the same weights.
        CheckpointError: If weights are missing or damaged, or two runs differ in what a soup needs.
    """
    if len(paths) < 2:
        raise ConfigError("one run is no soup, expected two or more", "--last K takes the last K states of one run")
    found: list[Ingredient] = []
    models: list[Choice] = []
    for path in paths:
        folder = existing(path)
        step = _finished(folder).get("best_step") or 0
        one = _ingredient(folder, checkpoint.name_of("best", step), run_name(folder.path))
        models.append(load(folder.spec, []).parts["model"])
        if found:
            _require_alike(one, found[0], models)
        for other in found:
            if one.digest == other.digest:
                raise ConfigError(f"{path}: has the weights of {other.folder.path}, expected other runs")
        found.append(one)
    return found


def last_of(folder: RunFolder, count: int, plan: TrainingPlan) -> list[Ingredient]:
    """Give the weights of the last states of a finished run that were saved by its plan, the oldest first.

    A state that a stop left between two of them does not count: it would make a stopped run another soup.

    Args:
        folder: The run.
        count: How many, at least 2.
        plan: When it evaluates and saves.

    Raises:
        ConfigError: If it has not finished, or keeps fewer.
        CheckpointError: If one is damaged.
    """
    _finished(folder)
    every = [path for path in checkpoint.commits(folder.checkpoints, "step") if plan.is_kept(checkpoint.step_of(path))]
    if len(every) < count:
        message = f"--last {count}: {folder.path} has kept {len(every)} states, expected {count} or more"
        raise ConfigError(message, f"train it with keep_states={count}")
    name = run_name(folder.path)
    paths = reversed(every[:count])
    return [_ingredient(folder, path.name, f"{name} step {checkpoint.step_of(path):,}") for path in paths]


def same_start(ingredients: Sequence[Ingredient]) -> bool:
    """Whether models began with the same weights, as far as their runs say: from one file, or drawn from one seed."""
    starts = set()
    for one in ingredients:
        spec = load(one.folder.spec, [])
        config = spec.parts["model"].config
        # A classifier that is not in the file is drawn.
        whole = config.weights is not None and config.head == "keep"
        drawn = None if whole else spec.settings.seed
        starts.add((config.weights, config.head, getattr(config, "pretrained", False), drawn))
    return len(starts) == 1


def _finished(folder: RunFolder) -> dict[str, Any]:
    status = folder.read_status() or {}
    if status.get("state") != "finished":
        raise ConfigError(f"{folder.path}: has not finished, expected a finished run", "cvrun resume RUN goes on")
    return status


def _ingredient(folder: RunFolder, commit: str, name: str) -> Ingredient:
    path = folder.checkpoints / commit
    content = checkpoint.read(path)
    meta, state = content["meta"], content.get("state")
    weights = state.get("model") if isinstance(state, Mapping) else content.get("model")
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError(f"{path}: holds no weights")
    spec: Spec = load(folder.spec, [])
    if meta.get("run_id") != spec.id:
        raise CheckpointError(f"{path}: belongs to run {meta.get('run_id')}, but spec.yaml describes {spec.id}")
    require_own_split(path.as_posix(), meta)
    step = checkpoint.step_of(path)
    return Ingredient(folder, name, commit, step, meta, dict(weights), digest(dict(weights)))


def _require_alike(one: Ingredient, first: Ingredient, models: Sequence[Choice]) -> None:
    """See that two ingredients can be averaged: the same network, classes, images, split and normalization."""
    where = one.folder.path.as_posix()
    # Runs of before have no prior. Another form is other data as well, of which a fingerprint says less.
    pairs = [(name, one.meta.get(name, []), first.meta.get(name, [])) for name in ("form", "prior_shift")]
    for name, there, here in [*pairs, ("model", _network(models[-1]), _network(models[0]))]:
        if there != here:
            raise CheckpointError(f"{where}: its {name} is {there}, expected {here}", _ALIKE)
    check_meta(where, one.meta, {**first.meta, "run_id": one.run_id}, _ALIKE)
    tensorfile.require_same(first.weights, one.weights, where)


def _network(model: Choice) -> dict[str, Any]:
    """Give what a model computes, as plain values."""
    keys = dataclasses.asdict(model.config)
    return {"option": model.option, **{key: value for key, value in keys.items() if key not in _START}}
