"""Any of the 1,300 models of timm by its name, such as resnet50, convnext_tiny or vit_small_patch16_224."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cvrun.errors import CheckpointError, ConfigError, require
from cvrun.model import Shape, _download, _weights
from cvrun.tensorfile import listed

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of weight files in timm's repositories on the hub, in order of preference."""


@dataclass(frozen=True)
class Config:
    """Keys of the model.

    Attributes:
        name: A name of `timm.list_models()`, or with the tag of its weights, such as "resnet50.a1_in1k".
        pretrained: Whether to start from timm's weights of that name.
        weights: A local file that takes the place of timm's weights, or None.
        head: What becomes of the classifier in that file: keep, reset or remap.
        drop_rate: Probability of dropout before the classifier.
        drop_path_rate: Probability with which the last residual branch is left out (stochastic depth).
    """

    name: str
    pretrained: bool
    weights: str | None
    head: str
    drop_rate: float
    drop_path_rate: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        _weights.check(self.weights, self.head)
        for key in ("drop_rate", "drop_path_rate"):
            require(0 <= getattr(self, key) < 1, key, getattr(self, key), f"0 <= {key} < 1")


def build(config: Config, shape: Shape, pretrained: bool) -> nn.Module:
    """Give the model for shape, with the pretrained weights of config if pretrained is true.

    Input channels are adapted as timm does. The classifier of a file is treated as config.head says; that of timm's
    weights stays as initialized unless it has as many classes. Everything else must match.

    Raises:
        ConfigError: If there is no such model, it cannot be built with these keys or for this size, or its weights
            cannot be found.
        CheckpointError: If the weights are damaged, or belong to another model or other classes.
    """
    facts = _facts(config.name)
    if not pretrained or not (config.pretrained or config.weights):
        return _create(config, shape, facts)
    weights = _weights.read(config.weights or _published(config, facts))
    start = torch.get_rng_state()
    model = _create(config, shape, facts)
    how = config.head if config.weights else "published"
    state = _weights.fit(weights, model, _names(facts.first_conv), _names(facts.classifier), how, shape.classes)
    if _weights.matches(model, state):
        _weights.load(model, state, weights.where)
        return model
    torch.set_rng_state(start)
    return _converted(config, shape, facts, model, state, weights.where)


def pretrained_statistics(config: Config) -> tuple[Sequence[float], Sequence[float]] | None:
    """Give mean and std for which timm's weights of that name were trained, or None without weights.

    Raises:
        ConfigError: If there is no such model.
    """
    facts = _facts(config.name)
    return (facts.mean, facts.std) if config.pretrained or config.weights else None


def _facts(name: str) -> Any:
    """Give timm's PretrainedCfg of a name.

    Raises:
        ConfigError: If there is no such model, or no such weights of it.
    """
    import timm

    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        near = get_close_matches(base, timm.list_models(), n=3, cutoff=0.5)
        raise ConfigError(f"model.name={name}: expected a model of timm", _nearest(near))
    try:
        return timm.models.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:
        known = timm.list_pretrained(f"{base}.*")
        near = get_close_matches(name, known, n=3, cutoff=0.0)
        raise ConfigError(f"model.name={name}: timm's {base} has no weights '{tag}'", _nearest(near)) from None


def _nearest(names: list[str]) -> str:
    return f"did you mean {' or '.join(names)}?" if names else "timm.list_models() gives the names"


def _names(value: str | Sequence[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _published(config: Config, facts: Any) -> Path:
    """Give the file of timm's weights of that name.

    Raises:
        ConfigError: If timm has none, or they cannot be fetched.
    """
    if facts.hf_hub_id:
        files = (facts.hf_hub_filename,) if facts.hf_hub_filename else HUB_FILES
        return _download.from_hub(facts.hf_hub_id, files, config.name)
    if facts.url:
        return _download.from_url(facts.url, config.name)
    raise ConfigError(
        f"model.pretrained=true: timm has no weights of {config.name}, expected a model that has some",
        "set model.pretrained=false, or give a local file with model.weights=FILE",
    )


def _create(config: Config, shape: Shape, facts: Any, **options: Any) -> nn.Module:
    """Give timm's model; options are further arguments of timm.create_model.

    Raises:
        ConfigError: If timm refuses a key or the size.
    """
    import timm

    rates = {"drop_rate": config.drop_rate, "drop_path_rate": config.drop_path_rate}
    options |= {key: rate for key, rate in rates.items() if rate > 0}
    if facts.fixed_input_size:
        options["img_size"] = shape.size
    try:
        model: nn.Module = timm.create_model(
            config.name, in_chans=shape.channels, num_classes=shape.num_classes, **options
        )
    except (TypeError, ValueError, AssertionError, KeyError) as error:
        for key, rate in rates.items():
            if f"'{key}'" in str(error):
                raise ConfigError(f"model.{key}={rate}: expected 0, {config.name} has no {key}") from None
        raise ConfigError(
            f"model.name={config.name}: timm cannot build it for {shape.channels} channels of {shape.size} pixels"
            f" ({' '.join(str(error).split())[:150] or type(error).__name__})",
            "choose another data.size or model.name",
        ) from error
    return model


def _converted(
    config: Config, shape: Shape, facts: Any, initial: nn.Module, state: _weights.StateDict, where: str
) -> nn.Module:
    """Give the model with weights that timm has to rename or resize first (another image size, an older format).

    Only timm knows the conversion of each family, and applies it while it builds. The random numbers are at the
    place from which initial was drawn, so a weight that equals its initial value was not in the file.
    """
    overlay = {
        "state_dict": state,
        "num_classes": shape.num_classes,
        "input_size": (shape.channels, *facts.input_size[1:]),
        "label_offset": 0,
        "custom_load": False,
    }
    try:
        model = _create(config, shape, facts, pretrained=True, pretrained_cfg_overlay=overlay)
    except (RuntimeError, KeyError, AttributeError, IndexError, ConfigError):
        raise _weights.mismatch(initial, state, where, _names(facts.classifier)) from None
    first = dict(initial.named_parameters())
    # A new classifier is among the weights, with its initial values.
    head = tuple(f"{name}." for name in _names(facts.classifier) if f"{name}.weight" in state)
    untouched = [
        name
        for name, value in model.named_parameters()
        if value.ndim >= 2 and not name.startswith(head) and torch.equal(value, first[name])
    ]
    if untouched:
        missing = f"{len(untouched)} of {len(first)} are missing ({listed(untouched)})"
        raise CheckpointError(f"{where}: the weights are not those of the model: {missing}", "check model.name")
    return model
