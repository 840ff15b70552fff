"""Spec: what the user wants, typed and checked, before any number is worked out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cvrun import added, options
from cvrun.errors import ConfigError, did_you_mean
from cvrun.physical import in_pixels
from cvrun.sections import MACHINE_KEYS, TOP, DataConfig, MonitorConfig, Settings, TrainerConfig
from cvrun.typed import to_dataclass


@dataclass(frozen=True)
class Choice:
    """The option of one group: the name of its module and its typed keys."""

    option: str
    config: Any


@dataclass(frozen=True)
class Spec:
    """Everything the user asked for.

    Attributes:
        id: The run's id; a resumed run keeps it, wherever its data lies now.
        settings: Keys without a group.
        trainer: Keys of `trainer`.
        monitor: Keys of `monitor`.
        data: Keys of `data` that every source has.
        parts: Group -> its option, for every group but the loggers.
        loggers: The chosen loggers by name.
        text: The composed configuration as YAML, with interpolations as the user wrote them.
        overrides: What the command line said, such as ("+exp=digits", "optimizer.lr=0.1").
        replaced: Key -> value in place of what text says, in order: a run that goes on may differ from its start.
    """

    id: str
    settings: Settings
    trainer: TrainerConfig
    monitor: MonitorConfig
    data: DataConfig
    parts: Mapping[str, Choice]
    loggers: Mapping[str, Choice]
    text: str
    overrides: tuple[str, ...]
    replaced: tuple[tuple[str, Any], ...] = ()

    @property
    def changes(self) -> tuple[str, ...]:
        """What differs from the experiment: the overrides without `+exp=` and without machine keys."""
        skipped = ("exp", *MACHINE_KEYS)
        return tuple(text for text in self.overrides if text.lstrip("+").partition("=")[0] not in skipped)


def run_id(
    settings: Settings,
    trainer: TrainerConfig,
    monitor: MonitorConfig,
    data: DataConfig,
    parts: Mapping[str, Choice],
) -> str:
    """Give a run's id: 8 hex digits of a sha256 over every value that can change a result.

    A key that came later counts only where it changes something, so that the ids of earlier runs stay.
    """
    top = {"seed": settings.seed, "skip_unreadable": settings.skip_unreadable}
    values: dict[str, Any] = added.before("", top)
    values["trainer"] = added.before("trainer", dataclasses.asdict(trainer))
    values["monitor"] = added.before("monitor", dataclasses.asdict(monitor))
    for group, choice in parts.items():
        keys = added.before(f"{group}/{choice.option}", dataclasses.asdict(choice.config))
        values[group] = {"option": choice.option, **keys}
    values["data"] |= added.before("data", dataclasses.asdict(data))
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def spec_of(values: Mapping[Any, Any], text: str, overrides: tuple[str, ...]) -> Spec:
    """Give the Spec of plain values.

    Args:
        values: The configuration, every interpolation resolved.
        text: The same as YAML, as the user wrote it.
        overrides: What the command line said.

    Raises:
        ConfigError: If a key is unknown or missing, has a wrong type or breaks a rule.
    """
    keys = {str(key): value for key, value in values.items()}
    known = (*TOP, "trainer", "monitor", *options.GROUPS)
    for key in keys:
        if key not in known:
            lost = "an experiment's file starts with '# @package _global_'"
            hint = lost if key == "exp" else did_you_mean(key, known)
            raise ConfigError(f"{key}: unknown key, expected one of {', '.join(known)}", hint)
    keys["logger"] = keys.get("logger") or {}
    for key in ("trainer", "monitor", *options.GROUPS):
        if not isinstance(keys.get(key), dict):
            raise ConfigError(f"{key}={keys.get(key)}: expected keys of its own")
    # What every source has is not for its module to know.
    every = [field.name for field in dataclasses.fields(DataConfig)]
    shared = {key: keys["data"][key] for key in every if key in keys["data"]}
    keys["data"] = {key: value for key, value in keys["data"].items() if key not in every}
    data = to_dataclass(DataConfig, shared, "data")
    size = data.pixel_size_um
    parts = {group: _choice(group, group, keys[group], size) for group in options.GROUPS if group != "logger"}
    settings = to_dataclass(Settings, {key: keys[key] for key in TOP if key in keys}, "")
    trainer = to_dataclass(TrainerConfig, keys["trainer"], "trainer")
    monitor = to_dataclass(MonitorConfig, keys["monitor"], "monitor")
    return Spec(
        id=run_id(settings, trainer, monitor, data, parts),
        settings=settings,
        trainer=trainer,
        monitor=monitor,
        data=data,
        parts=parts,
        loggers={name: _choice("logger", f"logger.{name}", node, size) for name, node in keys["logger"].items()},
        text=text,
        overrides=overrides,
    )


def _choice(group: str, where: str, node: Any, pixel_size: float | None) -> Choice:
    if not isinstance(node, dict) or not isinstance(node.get("option"), str):
        raise ConfigError(f"{where}: expected keys with option=NAME among them")
    name = node["option"]
    module = options.load(group, name)
    rest = {str(key): value for key, value in node.items() if key != "option"}
    return Choice(name, to_dataclass(module.Config, in_pixels(module.Config, rest, where, pixel_size), where))
