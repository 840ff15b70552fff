"""Hydra's side of the house: compose YAML and overrides, check every key, return a Spec.

Nothing else imports hydra or omegaconf. Hydra finds misspelt keys on the command line; it lets them pass inside
`exp/` files and behind `+`, so every key goes through the typed door here as well.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra import main as hydra_main
from hydra._internal.sources_registry import SourcesRegistry
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from cvrun import added, changes, options
from cvrun.errors import CheckpointError, ConfigError
from cvrun.folder import RunFolder
from cvrun.keys import composing_failed, for_reading, missing_choice, unknown_flag
from cvrun.spec import Spec, spec_of
from cvrun.userfile import check_saved, guarded
from cvrun.yamlfile import check_text, check_texts

# Hydra lets the errors of YAML files and of odd choices (optimizer=null) through as they are.
_COMPOSING = (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError, ValueError)


@dataclass(frozen=True)
class HydraJob:
    """One job of a command line.

    Attributes:
        number: Its place in the sweep, from 0; None for a single run.
        said: What its command line says, such as ("+exp=digits", "seed=1").
        config: What Hydra composed.
        choices: Group -> choice, of config.
        search: Where else Hydra was told to look for files, such as ("hydra.searchpath=[...]",).
        words: A command line that says the same without a sweep: search and flags such as --config-dir among it.
    """

    number: int | None
    said: tuple[str, ...]
    config: DictConfig
    choices: Mapping[str, Any]
    search: tuple[str, ...]
    words: tuple[str, ...]

    def compose(self) -> Spec:
        """Give the Spec of the job.

        Raises:
            ConfigError: If a key is unknown or missing, has a wrong type or breaks a rule.
        """
        try:
            config = swapped(self.config, self.said, self.choices, self.search)
        except _COMPOSING as error:
            raise _explained(error, self.said) from error
        return to_spec(config, self.said)


def run_command(arguments: Sequence[str], program: str, task: Callable[[HydraJob], None]) -> None:
    """Let Hydra read the arguments, and call task for each job (several with `-m`).

    Hydra's own flags (`--cfg job`, `--info`, `--help`, `--config-dir`, `-sc`) are answered by Hydra.

    Args:
        arguments: What follows the command's name.
        program: Such as "cvrun train", for Hydra's help.
        task: Called with each job; must not raise.

    Raises:
        ConfigError: If the configuration cannot be composed or breaks a rule.
    """

    def job(config: DictConfig) -> None:
        hydra = HydraConfig.get()
        number = None if hydra.mode == RunMode.RUN else int(hydra.job.num)
        # Unresolved: a command line may name ${oc.env:SECRET}.
        unresolved = OmegaConf.to_container(hydra.overrides.task, resolve=False)
        said = tuple(str(text) for text in unresolved or ())
        search = tuple(text for text in hydra.overrides.hydra if text.startswith("hydra.searchpath"))
        words = (*said, *search, *_places(arguments))
        task(HydraJob(number, said, config, hydra.runtime.choices, search, words))

    _guard_files()
    words = sys.argv
    sweeps = any(word in ("-m", "--multirun") or word.startswith("hydra.mode=") for word in arguments)
    # Hydra would print its own errors and leave with code 1; with this it lets them through to the code below.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    # Hydra writes down what it sweeps; what a run needs to know is in its own folder.
    with tempfile.TemporaryDirectory(prefix="cvrun-sweep-") as folder:
        where = [f"hydra.sweep.dir={folder}"] if sweeps else []
        try:
            sys.argv = [words[0], *where, *_for_hydra(arguments, program)]
            hydra_main(config_path=str(options.config_root()), config_name="train", version_base="1.3")(job)()
        except _COMPOSING as error:
            raise _explained(error, arguments) from error
        finally:
            sys.argv = words


def compose(overrides: Sequence[str], config_dir: Path | None = None) -> Spec:
    """Give the Spec of a command line such as ["+exp=digits", "optimizer.lr=0.1"].

    Raises:
        ConfigError: If the configuration cannot be composed or breaks a rule.
    """
    _guard_files()
    extra = [f"hydra.searchpath=['file://{config_dir.absolute()}']"] if config_dir else []
    try:
        with initialize_config_dir(config_dir=str(options.config_root()), version_base="1.3"):
            config = hydra_compose("train", overrides=[*overrides, *extra], return_hydra_config=True)
            choices = config.hydra.runtime.choices
            with open_dict(config):
                del config["hydra"]
            config = swapped(config, overrides, choices, extra)
    except _COMPOSING as error:
        raise _explained(error, overrides) from error
    return to_spec(config, tuple(overrides))


@functools.cache
def _guard_files() -> None:
    """Let Hydra read no file unchecked; it acts on what a file says while it composes."""
    Plugins.instance()
    source: Any = SourcesRegistry.instance().types["file"]
    source.load_config = guarded(source.load_config)


def swapped(config: DictConfig, said: Sequence[str], choices: Mapping[str, Any], search: Sequence[str]) -> DictConfig:
    """Give config without what an experiment says about an option that the command line has replaced.

    An experiment's values for a group belong to the choice that it makes; behind another one, `augment=none` say,
    they would be unknown keys or, worse, values that were meant for something else.

    Args:
        config: What Hydra composed from said.
        said: The command line.
        choices: Group -> choice, of config.
        search: Where else Hydra was told to look for files.
    """
    if not any(text.lstrip("+").startswith("exp=") for text in said) or not any(map(_chooses, said)):
        return config
    kept = [*search, *(text for text in said if text.lstrip("+").startswith("exp="))]
    meant = hydra_compose("train", overrides=kept, return_hydra_config=True).hydra.runtime.choices
    for group in options.GROUPS:
        if group == "logger" or choices.get(group) in (None, meant.get(group)):
            continue
        own = [*search, *(text for text in said if re.match(rf"[+~]*{group}[.=]", text))]
        with open_dict(config):
            config[group] = hydra_compose("train", overrides=own)[group]
    return config


def _chooses(text: str) -> bool:
    """Whether a word of the command line may choose the option of a group: model=timm, ~model, /model@_global_=timm."""
    return re.split(r"[=@]", text.lstrip("+~/"))[0] in options.GROUPS


def load(path: Path, overrides: Sequence[str]) -> Spec:
    """Give the Spec of a saved run as it stands: spec.yaml with what changes.jsonl says, for a command that uses it.

    Such a command works on one device, on however many the run was trained.

    Args:
        path: The run's spec.yaml.
        overrides: KEY=VALUE, of RESUME_KEYS.

    Raises:
        ConfigError: If the file is missing or not a Spec, or an override names another key.
        CheckpointError: If changes.jsonl is damaged.
    """
    spec = in_force(saved(path), RunFolder(path.parent))
    spec = replaced(spec, for_reading(assignments(overrides), spec))
    return dataclasses.replace(spec, settings=dataclasses.replace(spec.settings, devices=1))


def saved(path: Path) -> Spec:
    """Give the Spec that a run started with; keys that came after it do what was done before them.

    Raises:
        ConfigError: If the file is missing or not a Spec.
    """
    try:
        check_saved(path)
        keys = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (OSError, yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a saved configuration ({_first_line(error)})") from error
    if not isinstance(keys, dict):
        raise ConfigError(f"{path}: expected a mapping of keys")
    return to_spec(OmegaConf.create(added.completed(keys)), ())


def in_force(spec: Spec, folder: RunFolder) -> Spec:
    """Give spec with what the folder's changes.jsonl says.

    Raises:
        CheckpointError: If that file is damaged.
    """
    entries = changes.read(folder.changes)
    try:
        return replaced(spec, changes.values(entries))
    except ConfigError as error:
        raise CheckpointError(f"{folder.changes}: damaged ({error})", changes.NO_WAY_BACK) from error


def replaced(spec: Spec, values: Sequence[tuple[str, Any]], another: bool = False) -> Spec:
    """Give spec with other values for some keys; id, text and what was said stay.

    Args:
        spec: What to begin with.
        values: Key -> value, in order; for a group of options a mapping with `option` among its keys.
        another: Whether it is to be that of another run: id and text follow from the values.

    Raises:
        ConfigError: If a value has a wrong type or breaks a rule.
    """
    if not values:
        return spec
    every = (*spec.replaced, *values)
    try:
        config: Any = OmegaConf.create(spec.text)
        for key, value in every:
            OmegaConf.update(config, key, value, merge=False, force_add=True)
    except _COMPOSING as error:
        raise ConfigError(_first_line(error)) from error
    found = to_spec(config, spec.overrides)
    return found if another else dataclasses.replace(found, id=spec.id, text=spec.text, replaced=every)


def assignments(words: Sequence[str]) -> list[tuple[str, str, Any]]:
    """Give each word with its key and value, read as on the command line of `cvrun train`.

    Raises:
        ConfigError: If a word is not KEY=VALUE with one value.
    """
    found = []
    for word in words:
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException as error:
            raise ConfigError(f"{word}: expected KEY=VALUE", "special characters in a value need quotes") from error
        if override.type != OverrideType.CHANGE or override.is_sweep_override() or not override.key_or_group:
            raise ConfigError(f"{word}: expected KEY=VALUE with one value and no sign in front")
        found.append((word, override.key_or_group, override.value()))
    return found


def to_spec(config: DictConfig, overrides: Sequence[str]) -> Spec:
    """Give the Spec of a composed configuration.

    Raises:
        ConfigError: If a key is unknown or missing, has a wrong type or breaks a rule.
    """
    check_texts(OmegaConf.to_container(config, resolve=False))
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key or 'configuration'}: {_first_line(error)}") from error
    if not isinstance(values, dict):
        raise ConfigError("the configuration is not a mapping of keys")
    return spec_of(values, OmegaConf.to_yaml(config, resolve=False), tuple(overrides))


def _for_hydra(arguments: Sequence[str], program: str) -> list[str]:
    """Give the arguments with the keys before the flags, and the program's name for Hydra's help page.

    Raises:
        ConfigError: If Hydra has no such flag, or the flag lacks its value.
    """

    def refuse(message: str) -> NoReturn:
        raise ConfigError(message, f"{program} --hydra-help lists the flags")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    known, rest = parser.parse_known_args(list(arguments))
    if known.experimental_rerun:
        refuse("--experimental-rerun: refused, it runs code out of a file")
    for word in rest:
        if word.startswith("-"):
            raise unknown_flag(word, arguments)
        check_text(word, word.partition("=")[0])
    # Hydra does not see the keys behind a flag that follows other keys.
    keys = [*known.overrides, *rest]
    flags = [word for word in arguments if word not in keys]
    name = [f"hydra.help.app_name={program}"] if known.help or known.hydra_help else []
    return [*keys, *name, *flags]


def _places(arguments: Sequence[str]) -> list[str]:
    """Give the flags among the arguments that say where Hydra finds its files."""
    known, _ = get_args_parser().parse_known_args(list(arguments))
    given = {"config-dir": known.config_dir, "config-path": known.config_path, "config-name": known.config_name}
    return [f"--{name}={value}" for name, value in given.items() if value]


def _explained(error: Exception, arguments: Sequence[str]) -> ConfigError:
    """Give Hydra's error as one line with the nearest name."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return missing_choice(str(error.missing_cfg_file), error.options or ())
    if isinstance(error, OverrideParseException):
        return ConfigError(f"{error.override}: expected KEY=VALUE", "a value with special characters needs quotes")
    return composing_failed(error, arguments) or ConfigError(_first_line(error))


def _first_line(error: Exception) -> str:
    """Give what an error says first; a line that ends with a colon needs the next one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[:2]) if lines and lines[0].endswith(":") else "".join(lines[:1])
    return said or type(error).__name__
