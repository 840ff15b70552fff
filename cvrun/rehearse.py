"""The checks of a plan that need the objects: each is built once, small or without memory, and thrown away.

So a value that only an optimizer or a model can judge is refused before an image is decoded or a folder is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cvrun import options
from cvrun.arithmetic import computes_bf16
from cvrun.augment import Augment
from cvrun.compiler import CPU_WARNING
from cvrun.errors import ConfigError, CvrunError
from cvrun.metric import Metric
from cvrun.model import Shape
from cvrun.normalize import Source
from cvrun.pipeline.shard import smallest_share
from cvrun.spec import Spec
from cvrun.trainer import TrainingPlan

SMALL = 2_000_000
"""Numbers up to which a model is tried in memory, which takes milliseconds; torch's rules for the meta device import a
part of the compiler, which takes a second, though a larger model's library has often done so already."""


class _NoDraws(TorchFunctionMode):
    """Leaves out the drawing of initial weights, which on the meta device draws nothing but imports the compiler."""

    _DRAWS = (Tensor.normal_, Tensor.uniform_)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call func, unless it draws into its first argument."""
        return args[0] if func in self._DRAWS else func(*args, **(kwargs or {}))


class _NotDecoded(Exception):
    """The normalization asked for images, so there is nothing to check before they are decoded."""


def try_parts(spec: Spec, shape: Shape, train_counts: NDArray[np.int64]) -> None:
    """See that augmentation, loss, optimizer, loggers and normalization can be built.

    Args:
        spec: What the user wants.
        shape: What the model must fit.
        train_counts: Training images of each class, int64 (K,).

    Raises:
        ConfigError: If one of them cannot.
    """

    def not_decoded() -> NoReturn:
        raise _NotDecoded

    _require_channels(spec, shape)
    loss, optimizer, normalize, model = (spec.parts[name] for name in ("loss", "optimizer", "normalize", "model"))
    options.build("loss", loss.option, loss.config, train_counts)
    group = {"params": [nn.Parameter(torch.zeros(2, 2))], "weight_decay": optimizer.config.weight_decay}
    options.build("optimizer", optimizer.option, optimizer.config, [group], optimizer.config.lr)
    for logger in spec.loggers.values():
        options.build("logger", logger.option, logger.config, Path())
    statistics = options.load("model", model.option).pretrained_statistics(model.config)
    try:
        options.build(
            "normalize",
            normalize.option,
            normalize.config,
            Source(channels=shape.channels, train_images=not_decoded, fingerprint=not_decoded, pretrained=statistics),
        )
    except _NotDecoded:
        return


def require_targets(spec: Spec, several: bool) -> None:
    """See that task, loss and sampler are for what an image has.

    Args:
        spec: What the user wants.
        several: Whether it has any number of labels, else one class.

    Raises:
        ConfigError: If one is not.
    """
    kind = "labels" if several else "class"
    said = "any number of labels an image (data.label_separator)" if several else "one class an image"
    for group in ("task", "loss"):
        name = spec.parts[group].option
        if kind not in options.targets(group, name):
            fits = [other for other in options.module_names(group) if kind in options.targets(group, other)]
            raise ConfigError(f"{group}={name}: expected {' or '.join(fits)} for {said}")
    sampler = spec.parts["sampler"].option
    if several and sampler != "natural":
        raise ConfigError(f"sampler={sampler}: draws by the one class of an image, expected natural for {said}")


def _require_channels(spec: Spec, shape: Shape) -> None:
    """See that the augmentation is defined for images of this number of channels.

    Raises:
        ConfigError: If it is not.
    """
    choice = spec.parts["augment"]
    augment: Augment = options.build("augment", choice.option, choice.config, shape.num_classes)
    if augment.of_colour and shape.channels not in (1, 3):
        key = augment.of_colour[0]
        value = getattr(choice.config, key)
        off = "none" if isinstance(value, str) else "0"
        more = ", ".join(f"augment.{other}" for other in augment.of_colour[1:])
        message = f"augment.{key}={value}: for grey and RGB images alone, expected {off} with {shape.channels} channels"
        raise ConfigError(message, f"the same holds for {more}" if more else "")


def require_weights(spec: Spec) -> None:
    """See that the file of `model.weights` is there; only a start needs it, since a checkpoint holds the weights.

    Raises:
        ConfigError: If it is not.
    """
    weights = getattr(spec.parts["model"].config, "weights", None)
    if weights is not None and not Path(weights).expanduser().is_file():
        raise ConfigError(f"model.weights={weights}: no such file, expected a file of weights")


def try_model(spec: Spec, shape: Shape, smallest: int) -> int:
    """Count the trainable numbers of the model, and see on shapes alone that it takes the images.

    Args:
        spec: What the user wants.
        shape: What the model must fit.
        smallest: Images in the smallest part of a batch; BatchNorm cannot learn from a single value a channel.

    Raises:
        ConfigError: If it does not.
    """
    choice = spec.parts["model"]
    form = f"{shape.channels}x{shape.size}x{shape.size}"
    with torch.inference_mode():
        model = on_shapes(spec, shape)
    num_trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    num_images = min(smallest, 2)
    try:
        logits = _try_images(spec, shape, model, num_images)
    except CvrunError:
        raise
    except Exception as error:
        if "more than 1 value per channel" in str(error):
            message = f"model={choice.option}: BatchNorm cannot train on {smallest} image of {form} at a time"
            raise ConfigError(message, "raise trainer.batch_size or lower trainer.accumulate") from error
        message = f"model={choice.option}: cannot take images of {form} ({error})"
        raise ConfigError(message, "set data.size to what the model expects") from error
    if tuple(logits.shape) != (num_images, shape.num_classes):
        message = f"model={choice.option}: gives {tuple(logits.shape)} for {num_images} images"
        raise ConfigError(f"{message}, expected ({num_images}, {shape.num_classes})")
    return num_trainable


def on_shapes(spec: Spec, shape: Shape) -> nn.Module:
    """Give the model on the meta device, where it has shapes and no numbers."""
    choice = spec.parts["model"]
    with torch.device("meta"), _NoDraws():
        model: nn.Module = options.build("model", choice.option, choice.config, shape, False)
    return model


def _try_images(spec: Spec, shape: Shape, model: nn.Module, num_images: int) -> Tensor:
    """Give the logits of images by model, which lies on the meta device; a small one is built again, in memory."""
    images = num_images, shape.channels, shape.size, shape.size
    if sum(parameter.numel() for parameter in model.parameters()) > SMALL:
        with torch.device("meta"), torch.inference_mode():
            try:
                return cast(Tensor, model.train()(torch.empty(images)))
            except NotImplementedError:
                # An operation without a shape rule; the first real batch will tell.
                return torch.empty(num_images, shape.num_classes)
    choice, threads = spec.parts["model"], torch.get_num_threads()
    # No thread is started: processes may be forked from this one, and the plan says later how many there are to be.
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            model = options.build("model", choice.option, choice.config, shape, False)
            return cast(Tensor, model.train()(torch.zeros(images)))
    finally:
        torch.set_num_threads(threads)


def warnings(spec: Spec, training: TrainingPlan, metrics: tuple[Metric, ...], device: str) -> list[str]:
    """Give a line for each choice that can be run but is hardly meant."""
    found = []
    stopping, schedule = spec.parts["early_stopping"], spec.parts["scheduler"]
    if stopping.option == "patience" and schedule.option == "plateau":
        ours, theirs = stopping.config.patience, schedule.config.patience
        if ours <= theirs:
            found.append(
                f"early_stopping.patience={ours} is not above scheduler.patience={theirs}:"
                " training stops before a lower learning rate can help"
            )
    declared = {metric.name: metric.mode for metric in metrics}[training.monitor.rpartition("/")[2]]
    if declared != training.mode:
        found.append(f"monitor.mode={training.mode}, but {training.monitor} is better when it is {declared}imal")
    if spec.settings.compile and device == "cpu":
        found.append(CPU_WARNING)
    if training.precision != "fp32" and device == "cpu" and not computes_bf16():
        found.append(f"trainer.precision={training.precision}: this processor has no fast path for it")
    return found


def smallest_part(training: TrainingPlan, devices: int) -> int:
    """Give the images in the smallest part of a batch that a device computes at a time.

    Raises:
        ConfigError: If there is none for one of them.
    """
    share = smallest_share(training.batch_size, devices)
    if share < training.accumulate:
        least = "one image" if training.accumulate == 1 else f"trainer.accumulate={training.accumulate} images"
        message = f"trainer.batch_size={training.batch_size}: of {devices} devices one gets {share}, expected {least}"
        raise ConfigError(message, "raise trainer.batch_size, or lower devices or trainer.accumulate")
    return share // training.accumulate


def leaves_parameters_out(spec: Spec, shape: Shape) -> bool:
    """Give whether the model has trainable parameters that its logits do not depend on; True where nobody can tell."""
    model = on_shapes(spec, shape)
    with torch.device("meta"), _NoDraws():
        try:
            model.train()(torch.empty(2, shape.channels, shape.size, shape.size)).sum().backward()
        except Exception:  # an operation without a shape rule raises whatever it does
            return True
    return any(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
