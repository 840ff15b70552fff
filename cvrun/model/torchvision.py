"""Any classification model of torchvision by its name, such as resnet18, efficientnet_b0 or vit_b_16."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from cvrun.errors import ConfigError, require
from cvrun.model import Shape, _download, _weights


@dataclass(frozen=True)
class Config:
    """Keys of the model.

    Attributes:
        name: A name of `torchvision.models.list_models(module=torchvision.models)`.
        pretrained: Whether to start from torchvision's best weights of that name.
        weights: A local file that takes the place of torchvision's weights, or None.
        head: What becomes of the classifier in that file: keep, reset or remap.
        drop_rate: Probability of dropout before the classifier, for the models that have it, or None for the model's
            own (0.5 in vgg16, 0.2 in efficientnet_b0).
    """

    name: str
    pretrained: bool
    weights: str | None
    head: str
    drop_rate: float | None

    def __post_init__(self) -> None:
        """Check the ranges."""
        _weights.check(self.weights, self.head)
        if self.drop_rate is not None:
            require(0 <= self.drop_rate < 1, "drop_rate", self.drop_rate, "0 <= drop_rate < 1, or null")


def build(config: Config, shape: Shape, pretrained: bool) -> nn.Module:
    """Give the model for shape, with the pretrained weights of config if pretrained is true.

    The first convolution is fit to the input channels. The classifier of a file is treated as config.head says; that
    of torchvision's weights stays as initialized unless it has as many classes. Everything else must match. There are
    no auxiliary outputs.

    Raises:
        ConfigError: If there is no such model, it cannot be built with these keys or for this size, or its weights
            cannot be found.
        CheckpointError: If the weights are damaged, or belong to another model or other classes.
    """
    _check_name(config.name)
    if not pretrained or not (config.pretrained or config.weights):
        return _create(config, shape)
    path = config.weights or _download.from_url(_default_weights(config.name).url, config.name)
    weights = _weights.read(path)
    model = _create(config, shape)
    how = config.head if config.weights else "published"
    head = (_head(model),)
    state = _weights.fit(weights, model, (_first_conv(model),), head, how, shape.classes)
    own = model.state_dict()
    # Auxiliary classifiers exist in the published files alone.
    state = {name: value for name, value in state.items() if name in own or not name.lower().startswith("aux")}
    _weights.load(model, state, weights.where, head)
    return model


def pretrained_statistics(config: Config) -> tuple[Sequence[float], Sequence[float]] | None:
    """Give mean and std for which torchvision's weights of that name were trained, or None without weights.

    Raises:
        ConfigError: If there is no such model.
    """
    _check_name(config.name)
    if not (config.pretrained or config.weights):
        return None
    if config.name in ("googlenet", "inception_v3"):
        # torchvision brings ImageNet's statistics back to these inside the model, for colour images alone.
        return (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    preset = _default_weights(config.name).transforms()
    return preset.mean, preset.std


def _check_name(name: str) -> None:
    import torchvision

    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "torchvision.models.list_models() gives the names"
        raise ConfigError(f"model.name={name}: expected a classification model of torchvision", hint)


def _default_weights(name: str) -> Any:
    """Give torchvision's entry of the best weights of a model.

    Raises:
        ConfigError: If there are none.
    """
    import torchvision

    try:
        return torchvision.models.get_model_weights(name).DEFAULT
    except AttributeError:
        raise ConfigError(
            f"model.pretrained=true: torchvision has no weights of {name}, expected a model that has some",
            "set model.pretrained=false, or give a local file with model.weights=FILE",
        ) from None


def _create(config: Config, shape: Shape) -> nn.Module:
    """Give the model with initial weights.

    Raises:
        ConfigError: If torchvision refuses a key or the size.
    """
    options: dict[str, Any] = {"num_classes": shape.num_classes}
    if config.name in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True, "transform_input": False}
    if config.name.startswith("vit_"):
        options["image_size"] = shape.size
    if config.name.startswith("maxvit"):
        options["input_size"] = (shape.size, shape.size)
    try:
        model = _with_dropout(config, options)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise ConfigError(
            f"model.name={config.name}: torchvision cannot build it for images of {shape.size} pixels"
            f" ({' '.join(str(error).split())[:150] or type(error).__name__})",
            "choose another data.size or model.name",
        ) from error
    if shape.channels != 3:
        _replace_first_conv(model, shape.channels)
    return model


def _with_dropout(config: Config, options: dict[str, Any]) -> nn.Module:
    """Give the model of options and, if it is given, config.drop_rate.

    Raises:
        ConfigError: If drop_rate is above 0 and the model has no dropout.
    """
    import torchvision

    # torchvision's RegNet computes its widths with tensors, which must hold values.
    shape_only = torch.get_default_device().type == "meta" and config.name.startswith("regnet_")
    dropout = {} if config.drop_rate is None else {"dropout": config.drop_rate}
    with torch.device("cpu") if shape_only else contextlib.nullcontext():
        try:
            model: nn.Module = torchvision.models.get_model(config.name, weights=None, **options, **dropout)
        except TypeError as error:
            if "'dropout'" not in str(error):
                raise
            if config.drop_rate:
                raise ConfigError(
                    f"model.drop_rate={config.drop_rate}: expected null or 0, {config.name} has no dropout"
                ) from None
            model = torchvision.models.get_model(config.name, weights=None, **options)
    return model.to("meta") if shape_only else model


def _replace_first_conv(model: nn.Module, channels: int) -> None:
    """Put a convolution for another number of channels in the first one's place, drawn as the first one was."""
    name = _first_conv(model)
    old = model.get_submodule(name)
    keys = set(inspect.signature(nn.Conv2d).parameters) & set(vars(old)) - {"in_channels", "bias"}
    new = nn.Conv2d(channels, bias=old.bias is not None, **{key: getattr(old, key) for key in keys})
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, new)


def _first_conv(model: nn.Module) -> str:
    names = (name for name, module in model.named_modules() if isinstance(module, nn.Conv2d))
    return str(next(names))


def _head(model: nn.Module) -> str:
    """Give the name of the layer whose output are the logits: the last linear layer, or 1x1 convolution."""
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return str(names[-1])
