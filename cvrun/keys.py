"""The keys that a configuration can have, read from the packaged YAML files; for messages about others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from cvrun import options
from cvrun.errors import ConfigError, did_you_mean
from cvrun.spec import MACHINE_KEYS

TOP = ("name", "seed", "skip_unreadable", *MACHINE_KEYS)
"""The keys without a group."""

RESUME_KEYS = ("device", "threads", "workers", "data.root")
"""Keys that a resumed run may have differently: they move the work, not the result."""


def resume_override(text: str) -> tuple[str, Any]:
    """Give key and value of an override of a saved run, such as "workers=0".

    Raises:
        ConfigError: If it is not KEY=VALUE with one of RESUME_KEYS.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{text}: expected KEY=VALUE, with KEY one of {', '.join(RESUME_KEYS)}")
    if key not in RESUME_KEYS:
        hint = did_you_mean(key, RESUME_KEYS) or "start a new run with cvrun train for other values"
        raise ConfigError(f"{text}: a saved run can change {', '.join(RESUME_KEYS)} and nothing else", hint)
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"{text}: expected a value") from error


def unknown_key(key: str, arguments: Sequence[str]) -> ConfigError:
    """Give the error for a key that does not exist, with the nearest that does.

    Args:
        key: Such as "optimizer.lrr", "lr" or "optimiser".
        arguments: The command line, which says what is chosen in each group.
    """
    group = key.partition("@")[0]
    if group == "exp":
        return ConfigError("exp: an experiment is added with a plus sign", "write +exp=NAME")
    prefix, _, last = key.rpartition(".")
    known = known_keys(prefix, arguments)
    nested = [full for full in nested_keys(arguments) if full.endswith(f".{key}")]
    if nested:
        return ConfigError(f"{key}: unknown key", f"did you mean '{nested[0]}'?")
    if known:
        listed = f"expected one of {', '.join(known)}" if prefix else "cvrun options lists the groups"
        return ConfigError(f"{key}: unknown key, {listed}", did_you_mean(last, known))
    return ConfigError(f"{key}: unknown key", did_you_mean(prefix or key, known_keys("", arguments)))


def unknown_flag(flag: str, arguments: Sequence[str]) -> ConfigError:
    """Give the error for a word such as "--epochs", with the key that has its name."""
    name = flag.lstrip("-").partition("=")[0].replace("-", "_")
    every = [*TOP, *nested_keys(arguments)]
    meant = [key for key in every if name in (key, key.rpartition(".")[2])]
    return ConfigError(f"{flag}: unknown flag, expected KEY=VALUE", f"did you mean '{meant[0]}=...'?" if meant else "")


def missing_choice(file: str, found: Sequence[object]) -> ConfigError:
    """Give the error for a choice without a YAML file, such as "optimizer/adan.yaml", with those that Hydra found."""
    group, _, name = file.removesuffix(".yaml").rpartition("/")
    known = [str(option) for option in found or (options.choices(group) if group else ())]
    if not known:
        return ConfigError(f"{file}: no such configuration")
    return ConfigError(f"{group}={name}: expected one of {', '.join(known)}", did_you_mean(name, known))


def known_keys(prefix: str, arguments: Sequence[str]) -> list[str]:
    """Give the keys at prefix for the choices that arguments name."""
    if not prefix:
        return [*TOP, "trainer", "monitor", *options.GROUPS]
    node: Any = yaml.safe_load((options.config_root() / "train.yaml").read_text())
    if prefix in options.GROUPS:
        chosen = {k: v for k, _, v in (argument.partition("=") for argument in arguments)}
        default = {k: v for entry in node["defaults"] if isinstance(entry, dict) for k, v in entry.items()}
        file = options.choices(prefix).get(str(chosen.get(prefix, default.get(prefix))))
        content = yaml.safe_load(file.read_text()) if file else {}
        return [str(key) for key in content if key != "option"]
    for part in prefix.split("."):
        node = node.get(part, {}) if isinstance(node, dict) else {}
    return [str(key) for key in node] if isinstance(node, dict) else []


def nested_keys(arguments: Sequence[str]) -> list[str]:
    """Give the full names of the keys one level down, such as optimizer.lr."""
    return [f"{top}.{key}" for top in ("trainer", "monitor", *options.GROUPS) for key in known_keys(top, arguments)]
