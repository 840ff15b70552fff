"""A trained model out of a run's folder, with everything that is needed to use it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from cvrun import options
from cvrun.allocator import keep_freed
from cvrun.arithmetic import arranged, autocast
from cvrun.build import build_tta
from cvrun.data import ImageForm
from cvrun.errors import CheckpointError, ConfigError, did_you_mean
from cvrun.model import Shape
from cvrun.normalize import Normalization, from_state
from cvrun.prepare import resolve_device
from cvrun.spec import Spec
from cvrun.trainer import checkpoint
from cvrun.trainer.belonging import require_own_split
from cvrun.tta import TTA
from cvrun.typed import to_dataclass
from cvrun.viewable import require_views


@dataclass(frozen=True)
class Trained:
    """A model with its weights.

    Attributes:
        model: In evaluation mode, on device.
        step: Optimizer steps after which the weights were saved.
        classes: Names of the outputs, in order.
        form: What images are brought into.
        normalize: Fitted in training.
        autocast: The precision of training.
        tta: The views.
        prior_shift: What the task adds to the logits; nothing: they stay.
        device: Where the model is.
        meta: What the checkpoint says about its run.
    """

    model: nn.Module
    step: int
    classes: tuple[str, ...]
    form: ImageForm
    normalize: Normalization
    autocast: Callable[[], AbstractContextManager[Any]]
    tta: TTA
    prior_shift: tuple[float, ...]
    device: torch.device
    meta: dict[str, Any]


def load_trained(spec: Spec, checkpoints: Path, which: str, tta: str | None, warn: Callable[[str], None]) -> Trained:
    """Give the model of a run.

    Args:
        spec: The run's own.
        checkpoints: The run's folder of checkpoints.
        which: "best" or "last".
        tta: A choice of test-time augmentation instead of the run's; None keeps it.
        warn: Takes a line about a damaged checkpoint that is passed over.

    Raises:
        CheckpointError: If there is no intact checkpoint, or it belongs to another run.
        ConfigError: If tta is not a choice, or the model does not take its views.
    """
    found = checkpoint.newest(checkpoints, "step", warn)
    if found is None:
        raise CheckpointError(f"{checkpoints.parent}: no checkpoint, nothing has been trained")
    path, content = found
    weights, step = content["state"]["model"], content["state"]["step"]
    if which == "best":
        step = content["state"]["best"]["step"]
        if step == 0:
            raise CheckpointError(f"{checkpoints.parent}: not evaluated yet, so nothing is best", "--checkpoint last")
        path = checkpoints / checkpoint.name_of("best", step)
        try:
            content = checkpoint.read(path)
        except CheckpointError as error:
            raise CheckpointError(str(error), "--checkpoint last takes the weights of the last step") from error
        weights = content["model"]
    meta = content["meta"]
    if meta["run_id"] != spec.id:
        message = f"{path}: belongs to run {meta['run_id']}, but spec.yaml describes {spec.id}"
        raise CheckpointError(message, "neither can be changed by hand; cvrun train with other values is another run")
    form = ImageForm.of_saved(meta["form"])
    normalize = from_state(meta.get("normalization"), form.channels, path.as_posix())
    require_own_split(path.as_posix(), meta)
    device = torch.device(resolve_device(spec.settings.device))
    choice = spec.parts["model"]
    shape = Shape(form.channels, form.size, len(meta["classes"]))
    model: nn.Module = options.build("model", choice.option, choice.config, shape, False)
    checkpoint.load_weights(model, weights, path.as_posix())
    keep_freed(spec.settings.keep_memory)
    if spec.settings.threads:
        torch.set_num_threads(spec.settings.threads)
    model = arranged(model.to(device), meta["precision"], device).eval()
    views = build_tta(spec) if tta is None else _named_tta(tta)
    require_views(views, f"tta={spec.parts['tta'].option}" if tta is None else f"--tta {tta}", model, shape)
    return Trained(
        model=model,
        step=step,
        classes=tuple(meta["classes"]),
        form=form,
        normalize=normalize,
        autocast=autocast(meta["precision"], device),
        tta=views,
        # Runs of before have none.
        prior_shift=tuple(meta.get("prior_shift", ())),
        device=device,
        meta=meta,
    )


def _named_tta(name: str) -> TTA:
    choices = options.choices("tta")
    if name not in choices:
        raise ConfigError(f"--tta {name}: expected one of {', '.join(choices)}", did_you_mean(name, choices))
    node = yaml.safe_load(choices[name].read_text())
    option = node.pop("option")
    tta: TTA = options.build("tta", option, to_dataclass(options.load("tta", option).Config, node, "tta"))
    return tta
