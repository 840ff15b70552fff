"""The keys that a configuration can have, read from the packaged YAML files; for messages about others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from cvrun import options
from cvrun.errors import ConfigError, did_you_mean
from cvrun.sections import TOP
from cvrun.spec import Spec

FREE, ALLOWED, FROZEN, START = "free", "allowed", "frozen", "start"
"""What may be done with a key when a run goes on: it moves the work and not the result; it may change and is logged; it
stays as it was at the start; it is read at the start alone."""

CLASSES = {
    "name": START,
    "output_root": START,
    "rerun": START,
    "seed": FROZEN,
    "skip_unreadable": FROZEN,
    "device": FREE,
    "devices": FREE,
    "compile": FREE,
    "threads": FREE,
    "keep_memory": FREE,
    "cache": FREE,
    "cache_budget": FREE,
    "workers": FREE,
    "worker_timeout": FREE,
    "deterministic": FREE,
    "keep_states": FREE,
    "disk_full": FREE,
    "audit": FREE,
    "strict_warnings": FREE,
    "trainer.epochs": ALLOWED,
    "trainer.batch_size": FROZEN,
    "trainer.accumulate": ALLOWED,
    "trainer.precision": FROZEN,
    "trainer.max_grad_norm": FROZEN,
    "trainer.ema_decay": FROZEN,
    "trainer.sync_batch_norm": FROZEN,
    "trainer.eval_every": ALLOWED,
    "trainer.save_every": ALLOWED,
    "trainer.log_every": ALLOWED,
    "trainer.eval_batch_size": ALLOWED,
    "monitor.metric": FROZEN,
    "monitor.mode": FROZEN,
    "monitor.min_delta": FROZEN,
    "monitor.delta_mode": FROZEN,
    "task": FROZEN,
    "data": FROZEN,
    "data.root": FREE,
    "data.download": FREE,
    "split": FROZEN,
    "normalize": FROZEN,
    "sampler": FROZEN,
    "augment": FROZEN,
    "model": FROZEN,
    "loss": FROZEN,
    "optimizer": FROZEN,
    "optimizer.lr": ALLOWED,
    "scheduler": FROZEN,
    "early_stopping": ALLOWED,
    "tta": ALLOWED,
    "logger": FREE,
}
"""Key -> its class; a group of options stands for all keys of its options but those that are named."""

LR_FLAG = "--allow-lr-change"
"""What `optimizer.lr` needs beside."""

RESUME_KEYS = ("device", "threads", "workers", "strict_warnings", "data.root")
"""Keys that a command which uses a trained model may have differently."""

FAIL_FAST = "--fail-fast"
"""The flag with which the jobs that follow a failed one are not started; the other flags are Hydra's."""


def class_of(key: str) -> str | None:
    """Give the class of a key such as "trainer.epochs", "tta" or "tta.merge"; None where there is none."""
    group = key.partition(".")[0]
    return CLASSES.get(key) or (CLASSES.get(group) if group in options.GROUPS else None)


def of_class(name: str) -> str:
    """Give the keys and groups of a class, for people."""
    return ", ".join(key for key, found in CLASSES.items() if found == name)


def for_reading(given: Sequence[tuple[str, str, Any]], spec: Spec) -> list[tuple[str, Any]]:
    """Give key and value of overrides, each of which a command that uses a trained model must take.

    Args:
        given: Text, key and value of each.
        spec: The run's own.

    Raises:
        ConfigError: If a key is not one of RESUME_KEYS, or the run's data does not have it.
    """
    for text, key, _ in given:
        if key not in RESUME_KEYS:
            hint = did_you_mean(key, RESUME_KEYS) or "cvrun resume changes more, cvrun train starts another run"
            raise ConfigError(f"{text}: expected one of {', '.join(RESUME_KEYS)}", hint)
        require_own(text, key, spec)
    return [(key, value) for _, key, value in given]


def require_own(text: str, key: str, spec: Spec) -> None:
    """See that the option which a run has chosen knows a key such as "data.root".

    Raises:
        ConfigError: If not.
    """
    group, _, name = key.partition(".")
    if name and group in spec.parts and not hasattr(spec.parts[group].config, name):
        raise ConfigError(f"{text}: this run's {group} has no {name}", f"it is {group}={spec.parts[group].option}")


def require_changeable(text: str, key: str, spec: Spec) -> None:
    """See that a key exists and may be set in a run that goes on.

    Args:
        text: The override, for the message.
        key: Such as "trainer.epochs", "tta" or "tta.merge".
        spec: The run's own.

    Raises:
        ConfigError: If not.
    """
    chosen = [f"{group}={choice.option}" for group, choice in spec.parts.items()]
    if key not in CLASSES and not _exists(key):
        raise unknown_key(key, chosen)
    if key in ("trainer", "monitor"):
        raise ConfigError(f"{text}: expected one of its keys", f"such as {key}.{known_keys(key, ())[0]}=VALUE")
    if class_of(key) == FROZEN:
        stays = f"{key} is frozen, a run keeps it from its start to its end"
        raise ConfigError(f"{text}: {stays}", "cvrun train with another value is another run")
    if class_of(key) == START:
        raise ConfigError(f"{text}: {key} is read when a run starts", "cvrun train takes it")


def _exists(key: str) -> bool:
    """Whether a key is one of trainer, monitor or any option of a group."""
    group, _, name = key.partition(".")
    if group not in options.GROUPS:
        return key in ("trainer", "monitor") or (group in ("trainer", "monitor") and name in known_keys(group, ()))
    words = (f"{group}={choice}" for choice in options.choices(group))
    return any(name in known_keys(group, (word,)) for word in words)


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


def composing_failed(error: Exception, arguments: Sequence[str]) -> ConfigError | None:
    """Give the line for an error of a configuration that cannot be put together; None: it says it well enough.

    Raises:
        ValueError: The error, if it is not about the configuration.
    """
    text = str(error)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return ConfigError(f"{mark.name}, line {mark.line + 1}: not YAML ({error.problem})")
    if isinstance(error, UnicodeDecodeError):
        return ConfigError(f"a file of the configuration is not UTF-8 ({error})", "see the one that +exp= names")
    if isinstance(error, ValueError) and not text.startswith("Config group override must be"):
        raise error
    if isinstance(error, ValueError):
        named = [word for word in arguments if word.lstrip("+~").partition("=")[0] in ("", "exp", *options.GROUPS)]
        return ConfigError(f"{' '.join(named)}: expected GROUP=NAME with a name that is text")
    doubled = re.match(r"Multiple values for (\w+)", text)
    if doubled and doubled[1] == "exp":
        return ConfigError("exp: given twice", "an experiment of yours can extend one: defaults: [/exp/NAME]")
    if doubled:
        return ConfigError(f"{doubled[1]}: chosen twice", f"write {doubled[1]}=NAME without a plus sign")
    if text.startswith("Ambiguous value for argument"):
        return ConfigError(text.strip().splitlines()[0], "-m sweeps over values; quotes make it one value")
    found = re.search(r"Could not override '([^']+)'", text)
    return unknown_key(found[1], arguments) if found else None


def unknown_flag(flag: str, arguments: Sequence[str]) -> ConfigError:
    """Give the error for a word such as "--epochs", with the key that has its name."""
    name = flag.lstrip("-").partition("=")[0].replace("-", "_")
    every = [*TOP, *nested_keys(arguments)]
    meant = [key for key in every if name in (key, key.rpartition(".")[2])]
    hint = f"did you mean '{meant[0]}=...'?" if meant else did_you_mean(flag, [FAIL_FAST])
    return ConfigError(f"{flag}: unknown flag, expected KEY=VALUE", hint)


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
        shared = node.get(prefix) or {}
        return [str(key) for key in (*content, *shared) if key != "option"]
    for part in prefix.split("."):
        node = node.get(part, {}) if isinstance(node, dict) else {}
    return [str(key) for key in node] if isinstance(node, dict) else []


def nested_keys(arguments: Sequence[str]) -> list[str]:
    """Give the full names of the keys one level down, such as optimizer.lr."""
    return [f"{top}.{key}" for top in ("trainer", "monitor", *options.GROUPS) for key in known_keys(top, arguments)]
