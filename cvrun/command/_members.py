"""The runs of an ensemble, and what they predicted for the same images."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.audit.suspects import Predicted, read
from cvrun.command._run_folder import existing
from cvrun.data import SPLITS
from cvrun.errors import CheckpointError, ConfigError, DataError
from cvrun.folder import RunFolder
from cvrun.report.details import read_details
from cvrun.report.openings import run_name
from cvrun.trainer import checkpoint
from cvrun.trainer.digest import digest
from cvrun.yamlfile import load_yaml

_TOLERANCE = 1e-3
"""By which the probabilities of an image may miss the sum 1; half precision misses it by less."""


@dataclass(frozen=True)
class Member:
    """A finished run.

    Attributes:
        folder: Of the run.
        name: Its folder from that of its runs on, such as digits/3fa9c1d2.
        run_id: Its id.
        step: Of its best weights.
        weights: sha256 (hex) of their content.
        fingerprints: Of its data and its split, as its plan says; nothing where it says none.
        grouped: The parts whose images are in groups, as its plan says.
    """

    folder: RunFolder
    name: str
    run_id: str
    step: int
    weights: str
    fingerprints: dict[str, str]
    grouped: tuple[str, ...]


@dataclass(frozen=True)
class Together:
    """What several runs predicted for the same images, in one order.

    Attributes:
        ids: Names of the images.
        targets: Class indices, int64 (N,).
        classes: Names.
        probabilities: Of each run, float32 (N, K).
    """

    ids: list[str]
    targets: NDArray[np.int64]
    classes: tuple[str, ...]
    probabilities: list[NDArray[np.float32]]


def members(paths: Sequence[Path]) -> list[Member]:
    """Give the runs in folders.

    Raises:
        ConfigError: If there are fewer than two, one has not finished, or two have the same weights.
        CheckpointError: If the best weights of one are missing or damaged.
    """
    if len(paths) < 2:
        raise ConfigError("one run is no ensemble, expected two or more", "cvrun runs lists them")
    found: list[Member] = []
    for path in paths:
        one = _member(existing(path))
        for other in found:
            if one.weights == other.weights:
                same = f"{path}: has the weights of {other.folder.path}"
                raise ConfigError(f"{same}, expected other runs", "a run counts once; greedy weighs them itself")
        found.append(one)
    return found


def predictions(folder: RunFolder, name: str) -> Predicted:
    """Give what a run, or an ensemble, saved under a name, such as val or test-tta.

    Raises:
        DataError: If it saved nothing, something that is damaged, or what other weights than its best ones predicted.
    """
    path = folder.predictions / f"{name}.npz"
    if not os.path.lexists(path):
        raise DataError(f"{path}: not there, expected saved predictions", _how(name))
    step, best = read_details(folder.path, name).get("step"), (folder.read_status() or {}).get("best_step")
    if type(step) is int and type(best) is int and step != best:
        message = f"{path}: is of the weights of step {step:,}, the best ones are those of step {best:,}"
        raise DataError(f"{message}, expected theirs", _how(name))
    found = read(path)
    sums = found.probabilities.sum(axis=1)
    fine = np.isfinite(found.probabilities).all() and found.probabilities.min() >= 0
    if not fine or not np.allclose(sums, 1, rtol=0, atol=_TOLERANCE):
        raise DataError(f"{path}: damaged (its rows are no probabilities), expected predictions", _how(name))
    if len(set(found.ids)) != len(found.ids):
        raise DataError(f"{path}: damaged (it has an image twice), expected predictions", _how(name))
    return found


def together(found: Sequence[Predicted], hint: str) -> Together:
    """Give predictions in the order of the first, images matched by their names.

    An image of which every run has predictions in this part is in the training part of none of them: a part of a run
    shares no image with its training.

    Args:
        found: What each run saved.
        hint: What to say where images differ.

    Raises:
        DataError: If classes, images or labels differ.
    """
    first = found[0]
    probabilities = []
    for one in found:
        if one.classes != first.classes:
            message = f"{one.path}: classes {', '.join(one.classes)}, expected those of {first.path}"
            raise DataError(f"{message} ({', '.join(first.classes)})", "give runs on one data set")
        row_of = {name: row for row, name in enumerate(one.ids)}
        _require_same_images(one, first, row_of, hint)
        rows = np.array([row_of[name] for name in first.ids], dtype=np.int64)
        differ = np.flatnonzero(one.labels[rows] != first.labels)
        if len(differ):
            at = int(differ[0])
            there, here = (first.classes[int(label)] for label in (one.labels[rows[at]], first.labels[at]))
            message = f"{one.path}: '{first.ids[at]}' is {there}, in {first.path} it is {here}"
            raise DataError(f"{message}, expected one label ({len(differ):,} images differ)")
        probabilities.append(one.probabilities[rows].astype(np.float32))
    return Together(first.ids, first.labels, tuple(first.classes), probabilities)


def _require_same_images(one: Predicted, first: Predicted, row_of: Mapping[str, int], hint: str) -> None:
    both = sum(name in row_of for name in first.ids)
    if both == len(first.ids) == len(one.ids):
        return
    message = f"{one.path}: has {len(one.ids):,} images, {both:,} of them among the {len(first.ids):,} of {first.path}"
    raise DataError(f"{message}, expected the same images", hint)


def _member(folder: RunFolder) -> Member:
    status = folder.read_status() or {}
    if status.get("state") != "finished":
        raise ConfigError(f"{folder.path}: has not finished, expected a finished run", "cvrun resume RUN goes on")
    step = status.get("best_step") or 0
    path = folder.checkpoints / checkpoint.name_of("best", step)
    content = checkpoint.read(path)
    run_id = content["meta"].get("run_id")
    if not isinstance(run_id, str) or not isinstance(content.get("model"), Mapping):
        raise CheckpointError(f"{path}: its files are not those of best weights")
    weights = digest(dict(content["model"]))
    data = _data(folder)
    named = {name: data.get(f"{name}_fingerprint") for name in ("data", "split")}
    fingerprints = {name: value for name, value in named.items() if isinstance(value, str)}
    groups = data.get("groups")
    grouped = tuple(part for part in SPLITS if isinstance(groups, Mapping) and groups.get(part))
    return Member(folder, run_name(folder.path), run_id, step, weights, fingerprints, grouped)


def _data(folder: RunFolder) -> Mapping[str, Any]:
    """Give what the plan of a run says about its data; nothing where it cannot be read."""
    try:
        plan = load_yaml(folder.plan)
    except (OSError, ConfigError):
        return {}
    data = plan.get("data") if isinstance(plan, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _how(name: str) -> str:
    part, _, rest = name.partition("-")
    command = "cvrun eval RUN" if part == "val" else "cvrun test RUN --unseal"
    return f"{command} writes them" + (", where the run has test-time augmentation" if rest else "")
