"""A user's own configuration file: values for keys, and nothing that Hydra would run.

Hydra makes objects of what stands below its own key `hydra` (callbacks, handlers of logs, launchers), whatever a file
names there. On the command line, which is the user's own word, all of it can be given.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

from cvrun import options
from cvrun.errors import ConfigError
from cvrun.yamlfile import check_texts, load_yaml

MAX_NODES = 10_000
"""Of a file of configuration; OmegaConf needs half a second for them."""

R = TypeVar("R")

_HEADER = re.compile(r"^\s*#.*package.*hydra", re.MULTILINE)
_HINT = "a file may give hydra.sweeper.params; the rest of hydra can be given on the command line"


class Source(Protocol):
    """A folder from which Hydra reads."""

    path: str

    def _normalize_file_name(self, filename: str) -> str:
        """Give filename with its ending."""


def guarded(read: Callable[[Any, str], R]) -> Callable[[Any, str], R]:
    """Give read, Hydra's function that reads a file of a source, behind check_file."""

    def load_config(self: Source, config_path: str) -> R:
        path = Path(self.path, self._normalize_file_name(config_path)).resolve()
        if path.is_file() and not path.is_relative_to(options.config_root()):
            check_file(path, config_path)
        return read(self, config_path)

    return load_config


def check_file(path: Path, name: str) -> None:
    """See that a file that the user chose can be read, and gives Hydra nothing to run.

    Args:
        path: The file.
        name: How Hydra calls it, such as "exp/mine".

    Raises:
        ConfigError: If not.
    """
    content = load_yaml(path, MAX_NODES)
    # Hydra looks for the package in the comments at the beginning.
    with path.open(encoding="utf-8") as file:
        package = _HEADER.search(file.read(2000))
    if package or "hydra" in PurePosixPath(name).parts:
        raise ConfigError(f"{path}: would change Hydra itself", _HINT)
    if not isinstance(content, dict):
        return
    for entry in _texts(content.get("defaults")):
        place = entry.partition("@")[2]
        if "hydra" in place or "$" in place:
            raise ConfigError(f"{path}: defaults: {entry}: would change Hydra itself", _HINT)
    _check_hydra(content.get("hydra", {}), path)
    check_texts(content, f"{path}: ")


def check_saved(path: Path) -> None:
    """See that a run's spec.yaml, which may come from somebody else, can be read.

    Raises:
        ConfigError: If not.
        OSError: If there is no such file, or it cannot be read.
    """
    check_texts(load_yaml(path, MAX_NODES), f"{path}: ")


def _check_hydra(node: Any, path: Path) -> None:
    """See that the keys below `hydra` are words of a sweep.

    Raises:
        ConfigError: If there are others.
    """
    others = sorted(map(str, set(node) - {"sweeper"})) if isinstance(node, dict) else ["hydra"]
    sweeper = node.get("sweeper", {}) if isinstance(node, dict) else {}
    params = sweeper.get("params") or {} if isinstance(sweeper, dict) and set(sweeper) <= {"params"} else None
    if not isinstance(params, dict):
        others.append("sweeper")
    elif any("hydra" in str(key) for key in params):
        others.append("sweeper.params")
    if others:
        raise ConfigError(f"{path}: hydra.{others[0]}: refused, Hydra could run what it names", _HINT)


def _texts(defaults: Any) -> list[str]:
    """Give the entries of a defaults list, such as "/exp/digits" and "override /scheduler"."""
    found = []
    for entry in defaults if isinstance(defaults, list) else []:
        found += [str(part) for pair in entry.items() for part in pair] if isinstance(entry, dict) else [str(entry)]
    return found
