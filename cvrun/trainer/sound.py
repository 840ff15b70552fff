"""What a state out of a checkpoint must be like before it is used: whole bytes may not be those of this run.

torch checks the names and shapes of weights, but takes whatever an optimizer's state holds; a fused kernel that is
given a buffer of another size reads and writes beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cvrun import tensorfile
from cvrun.errors import CheckpointError
from cvrun.trainer.state import State


def require_sound(content: Any, state: State, step: int, total_steps: int, where: str) -> None:
    """See that content can be loaded into state.

    Args:
        content: What a checkpoint holds as its state.
        state: That of the run, at any step.
        step: Optimizer steps after which the checkpoint was made, as its name says.
        total_steps: Of the run.
        where: The checkpoint, for messages.

    Raises:
        CheckpointError: If a part is missing, or has other names, shapes, types or an impossible value.
    """
    if not isinstance(content, Mapping) or not set(state.state_dict()) <= set(content):
        raise CheckpointError(f"{where}: holds no whole state")
    tensorfile.require_same(state.model.state_dict(), content["model"], where)
    average = state.ema.state_dict().get("model")
    if average is not None:
        tensorfile.require_same(average, _mapping(content["ema"]).get("model"), f"{where}: averaged weights")
    wrong = _clock(content, step, total_steps) or _scores(content, step) or _optimizer(content["optimizer"], state)
    if wrong:
        raise CheckpointError(f"{where}: is not a state of this run, {wrong}")


def _clock(content: Mapping[str, Any], step: int, total_steps: int) -> str:
    if not _whole(content["step"], 0, total_steps) or content["step"] != step:
        return "its step is not the one in its name, or more than the run has"
    return "" if _whole(content["evaluated"], 0, step) else "it was evaluated at no step of the run"


def _scores(content: Mapping[str, Any], step: int) -> str:
    best, mean = _mapping(content["best"]), _mapping(content["loss_mean"])
    score, at, total = best.get("score"), best.get("step"), mean.get("total")
    scored = isinstance(score, float) and math.isfinite(score) and _whole(at, 1, step)
    if not (scored or (score is None and _whole(at, 0, 0))):
        return "its best score is none"
    numbers = isinstance(total, Tensor) and total.ndim == 0 and total.dtype == torch.float64
    return "" if numbers and _whole(mean.get("num_images"), 0, 2**62) else "its mean loss is none"


def _optimizer(found: Any, state: State) -> str:
    own = state.optimizer.state_dict()
    groups, entries = _mapping(found).get("param_groups"), _mapping(found).get("state")
    if not isinstance(groups, list) or not isinstance(entries, Mapping) or len(groups) != len(own["param_groups"]):
        return "its optimizer has other groups"
    for mine, theirs in zip(own["param_groups"], groups, strict=True):
        if not isinstance(theirs, Mapping) or theirs.get("params") != mine["params"]:
            return "its optimizer has other groups"
        odd = [key for key, value in mine.items() if type(theirs.get(key)) is not type(value)]
        if odd:
            return f"its optimizer has no {odd[0]} as this one has"
    parameters = [parameter for group in state.optimizer.param_groups for parameter in group["params"]]
    fused = any(group.get("fused") for group in own["param_groups"])
    for position, entry in entries.items():
        if not _whole(position, 0, len(parameters) - 1) or not isinstance(entry, Mapping):
            return "its optimizer has state of no parameter"
        for name, value in entry.items():
            if isinstance(value, Tensor) and not _fits(value, parameters[position], fused):
                return f"its optimizer's {name} of parameter {position} has another shape or type"
    return ""


def _fits(value: Tensor, parameter: Tensor, fused: bool) -> bool:
    """Whether a tensor can be the optimizer's of a parameter; factored ones have other shapes, and no fused kernel."""
    if value.layout != torch.strided or value.is_meta:
        return False
    return value.ndim == 0 or not fused or (value.shape == parameter.shape and value.is_floating_point())


def _whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
