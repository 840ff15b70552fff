"""The precision of a run: what was asked for, or with `auto` what suits the machine and pays for this model.

On a CPU that computes bfloat16 some models gain threefold by it and others lose, so a few steps of the real model are
timed. That is done once and remembered; a run that is short anyway stays in float32 without it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from cvrun import __version__
from cvrun.arithmetic import computes_bf16
from cvrun.cache import cache_folder
from cvrun.environment import processor
from cvrun.errors import StorageError
from cvrun.folder import write_atomic
from cvrun.probe import SHORT, ShortRunError, Work, measured

GAIN = 1.1
"""How many times as fast bfloat16 must be to be taken."""

_SLOW = 20e9
"""[FLOP/s] What one thread does of a model that suits it badly; a run that is short at that rate needs no timing."""

_LARGEST = 300_000_000
"""Trainable numbers of a model that is built to be timed; with gradients and moments these are 5 GB."""


@dataclass(frozen=True)
class Decision:
    """A precision, and why it was taken; no reason where it was asked for."""

    precision: str
    reason: str


def settle(work: Work, device: str) -> Decision:
    """Give the precision of a run on device."""
    asked = work.spec.trainer.precision
    if asked != "auto":
        return Decision(asked, "")
    if device != "cpu":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return Decision("bf16", "auto: this GPU computes it") if native else Decision("fp16", "auto: no bf16 here")
    if not computes_bf16():
        return Decision("fp32", "auto: this processor does not compute bf16")
    short = Decision("fp32", f"auto: a run of less than {SHORT:.0f} s")
    # Backward costs twice the forward pass.
    if work.seconds(3 * work.flops * work.num_images / _SLOW) < SHORT:
        return short
    if work.num_parameters > _LARGEST:
        return Decision("fp32", f"auto: models above {_LARGEST:,} parameters are not measured")
    try:
        times = remembered(_about(work), lambda: measured(work))
    except ShortRunError:
        return short
    except (RuntimeError, MemoryError) as error:
        return Decision("fp32", f"auto: bf16 was not measured, {type(error).__name__}")
    ratio = times["fp32"] / times["bf16"]
    said = f"auto: bf16 measured {ratio:.2f}x as fast as fp32"
    return Decision("bf16" if ratio >= GAIN else "fp32", said)


def remembered(about: dict[str, Any], measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Give what was measured before about the same thing, or measure and keep it; a damaged file counts as none."""
    text = json.dumps(about, sort_keys=True, default=str)
    path = cache_folder() / "precision" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    found = _read(path, text)
    if found is None:
        found = measure()
        # Without a cache that can be written it is measured anew each time.
        with contextlib.suppress(StorageError):
            write_atomic(path, json.dumps({"about": text, "seconds": found}, indent=1).encode())
    return found


@contextlib.contextmanager
def counting() -> Iterator[Callable[[], float]]:
    """Give a function that gives the work on an image [FLOP] of the model which was called last meanwhile.

    Convolutions and linear layers count, which is nearly all of it.
    """
    depth, total, each = 0, 0.0, 0.0

    def enter(module: nn.Module, given: Any) -> None:
        nonlocal depth, total
        total = total if depth else 0.0
        depth += 1

    def leave(module: nn.Module, given: Any, output: Any) -> None:
        nonlocal depth, total, each
        depth -= 1
        if isinstance(module, nn.Conv2d | nn.Linear) and isinstance(output, Tensor):
            total += 2.0 * output.numel() * math.prod(module.weight.shape[1:])
        if depth == 0 and given:
            each = total / len(given[0])

    handles = (register_module_forward_pre_hook(enter), register_module_forward_hook(leave))
    try:
        yield lambda: each
    finally:
        for handle in handles:
            handle.remove()


def _read(path: Path, about: str) -> dict[str, float] | None:
    try:
        content = json.loads(path.read_bytes())
        seconds = {name: float(content["seconds"][name]) for name in ("fp32", "bf16")}
        same = content["about"] == about
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return seconds if same and all(math.isfinite(value) and value > 0 for value in seconds.values()) else None


def _about(work: Work) -> dict[str, Any]:
    """Give everything that the times depend on."""
    model, optimizer = work.spec.parts["model"], work.spec.parts["optimizer"]
    return {
        "model": [model.option, dataclasses.asdict(model.config)],
        "optimizer": [optimizer.option, getattr(optimizer.config, "name", "")],
        "shape": [work.shape.channels, work.shape.size, work.shape.num_classes],
        "num_images": work.num_images,
        "threads": work.threads,
        "processor": processor(),
        "torch": str(torch.__version__),
        "cvrun": __version__,
    }
