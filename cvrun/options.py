"""Options by name: the folder is the registry, and this is the only place that turns names into modules."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from cvrun.errors import ConfigError, RuleError, did_you_mean
from cvrun.typed import rule_broken

PACKAGE = Path(__file__).resolve().parent

GROUPS = (
    "task",
    "data",
    "split",
    "normalize",
    "sampler",
    "augment",
    "model",
    "loss",
    "optimizer",
    "scheduler",
    "early_stopping",
    "tta",
    "logger",
)
"""The groups whose options are a module and a YAML file each."""


@cache
def config_root() -> Path:
    """Give the folder of the packaged YAML files: `cvrun/configs` in a wheel, `configs` in a checkout.

    Raises:
        ConfigError: If neither exists.
    """
    for folder in (PACKAGE / "configs", PACKAGE.parent / "configs"):
        if (folder / "train.yaml").is_file():
            return folder
    raise ConfigError(f"{PACKAGE}: the packaged configs are missing", "install cvrun again")


def module_names(group: str) -> list[str]:
    """Give the names of the modules of a group, sorted; a leading underscore means shared, not an option."""
    return sorted(path.stem for path in (PACKAGE / group).glob("*.py") if not path.stem.startswith("_"))


def choices(group: str) -> dict[str, Path]:
    """Give what can follow `group=` on the command line, sorted: choice -> its YAML file."""
    return {path.stem: path for path in sorted((config_root() / group).glob("*.yaml"))}


def load(group: str, name: str) -> ModuleType:
    """Import the module of an option.

    Raises:
        ConfigError: If the group has no module of that name.
    """
    names = module_names(group)
    if name not in names:
        raise ConfigError(f"{group}.option={name}: expected one of {', '.join(names)}", did_you_mean(name, names))
    return importlib.import_module(f"cvrun.{group}.{name}")


def targets(group: str, name: str) -> tuple[str, ...]:
    """Give what a task, loss or metric is for: "class", one an image; "labels", any number of them."""
    found: tuple[str, ...] = getattr(load(group, name), "TARGETS", ("class",))
    return found


def build(group: str, name: str, config: Any, *arguments: Any) -> Any:
    """Call `build(config, *arguments)` of an option's module.

    Raises:
        ConfigError: If a value breaks a rule that shows only now.
    """
    return call(group, name, "build", config, *arguments)


def call(group: str, name: str, function: str, config: Any, *arguments: Any) -> Any:
    """Call another function of an option's module that takes its config.

    Raises:
        ConfigError: If a value breaks a rule that shows only now.
    """
    try:
        return getattr(load(group, name), function)(config, *arguments)
    except RuleError as error:
        raise rule_broken(error, group) from None
