"""YAML from others: checked for size, depth and tricks before anything is built from it, then read as plain data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from cvrun.errors import ConfigError

MAX_BYTES = 2**20
MAX_NODES = 100_000
MAX_DEPTH = 32
MAX_INTERPOLATIONS = 20
"""In texts with more than one, which could double a text again and again."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
# YAML 1.1 counts to the base of 60, and to that of 8 behind a zero.
_TRAP = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|[-+]?0[0-7_]+")
_DIGITS = re.compile(r"[-+]?[0-9_]{1000,}")
_SECRET = re.compile(r"(?:^|_)(?:key|pass|auth)(?:_|$)|token|passw|secret|credential|apikey", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:\s*([^,}]*)")
_NESTED = re.compile(r"\$\{[^}]*\$\{")


@dataclass
class _Collection:
    """A mapping or list whose end has not come.

    Attributes:
        anchor: Its name for aliases.
        mapping: Whether it is a mapping.
        size: Nodes in it so far, aliases expanded.
        children: Of those, the ones directly in it.
        keys: Of a mapping, so far.
    """

    anchor: str | None
    mapping: bool
    size: int = 1
    children: int = 0
    keys: set[str] = field(default_factory=set)


def load_yaml(path: Path, max_nodes: int = MAX_NODES) -> Any:
    """Give the content of a file: mappings, lists, texts, numbers, true, false and null.

    Args:
        path: The file.
        max_nodes: How many values it may hold, aliases expanded.

    Raises:
        ConfigError: If it is not such a file; one line with the file, the line and what is wrong.
        OSError: If there is no such file, or it cannot be read.
    """
    text = read_text(path)
    check_yaml(text, str(path), max_nodes)
    try:
        return _LOADER(text).get_single_data()
    except (yaml.YAMLError, ValueError) as error:  # a date that does not exist
        raise ConfigError(f"{path}: not YAML ({str(error).splitlines()[0]})") from error


def read_text(path: Path) -> str:
    """Give a file's text.

    Raises:
        ConfigError: If it is too large or not UTF-8.
        OSError: If there is no such file, or it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: not a file")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES:,} bytes, expected a configuration")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 (byte {error.start})") from error


def check_yaml(text: str, where: str, max_nodes: int = MAX_NODES) -> None:
    """See that text is YAML that can be built without harm and means what it seems to.

    Refused are more values than max_nodes once aliases are expanded, an alias of what it stands in, deep nesting, tags
    beyond those of plain values, a key given twice, and plain text that YAML takes for a number: 12:30:00 and 010.

    Raises:
        ConfigError: If it is not.
    """
    sizes: dict[str, int] = {}
    stack = [_Collection(None, False)]
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.CollectionEndEvent):
                done = stack.pop()
                stack[-1].size += done.size
                if done.anchor:
                    sizes[done.anchor] = done.size
            elif isinstance(event, yaml.NodeEvent):
                _take(event, stack, sizes, where)
            if sum(collection.size for collection in stack) > max_nodes:
                _refuse(event, where, f"more than {max_nodes:,} values")
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{where}{line}: not YAML ({error.problem})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not YAML ({str(error).splitlines()[0]})") from error


def check_text(text: str, where: str) -> None:
    """See that the interpolations in a text of a configuration do not give a secret away.

    Raises:
        ConfigError: If one takes an environment variable whose name is that of a secret, or stands inside another,
            which could hide that: what a configuration says is written to plans, records and messages.
    """
    if _NESTED.search(text):
        raise ConfigError(f"{where}: an interpolation inside another, expected ${{a.key}} or ${{oc.env:NAME}}")
    for name in _VARIABLE.findall(text):
        if _SECRET.search(name.strip(" '\"")):
            message = f"{where}: takes the environment variable {name.strip()}, whose name is that of a secret"
            raise ConfigError(message, "no key of cvrun needs one, and values of keys are written down")


def check_texts(values: Any, where: str = "") -> None:
    """See the same for every text in plain values, and that their interpolations cannot grow without end.

    Args:
        values: Mappings, lists and texts.
        where: What stands before the keys in messages, such as "spec.yaml: ".

    Raises:
        ConfigError: As check_text does, or if texts with several interpolations have too many in all.
    """
    texts = list(_texts(values, ""))
    for key, text in texts:
        check_text(text, f"{where}{key}")
    if sum(text.count("${") for _, text in texts if text.count("${") > 1) > MAX_INTERPOLATIONS:
        raise ConfigError(f"{where}more than {MAX_INTERPOLATIONS} interpolations in texts that have several")


def _take(event: yaml.NodeEvent, stack: list[_Collection], sizes: dict[str, int], where: str) -> None:
    """Count one node, and check it against what holds it."""
    parent = stack[-1]
    is_key = parent.mapping and parent.children % 2 == 0
    parent.children += 1
    if isinstance(event, yaml.AliasEvent):
        if any(collection.anchor == event.anchor for collection in stack):
            _refuse(event, where, f"*{event.anchor} stands inside what it means")
        parent.size += sizes.get(str(event.anchor), 1)
        return
    tag = getattr(event, "tag", None)
    if tag not in (None, "!") and tag not in _TAGS:
        _refuse(event, where, f"the tag {tag}, expected plain values")
    if isinstance(event, yaml.CollectionStartEvent):
        if len(stack) > MAX_DEPTH:
            _refuse(event, where, f"nested more than {MAX_DEPTH} deep")
        stack.append(_Collection(event.anchor, isinstance(event, yaml.MappingStartEvent)))
        return
    assert isinstance(event, yaml.ScalarEvent)
    parent.size += 1
    if event.anchor:
        sizes[event.anchor] = 1
    if event.implicit[0] and _DIGITS.fullmatch(event.value):
        _refuse(event, where, f"a number of {len(event.value):,} digits")
    if event.implicit[0] and _TRAP.fullmatch(event.value):
        number = yaml.safe_load(event.value)
        if not isinstance(number, str):
            _refuse(event, where, f"{event.value} is the number {number} in YAML, quote it or write the number")
    if is_key and event.value in parent.keys:
        _refuse(event, where, f"found duplicate key {event.value}")
    if is_key:
        parent.keys.add(event.value)


def _texts(values: Any, key: str) -> Iterator[tuple[str, str]]:
    """Give every text in plain values, with its full key."""
    if isinstance(values, str):
        yield key, values
    elif isinstance(values, dict):
        for name, value in values.items():
            yield from _texts(name, key)
            yield from _texts(value, f"{key}.{name}" if key else str(name))
    elif isinstance(values, list):
        for value in values:
            yield from _texts(value, key)


def _refuse(event: yaml.Event, where: str, what: str) -> NoReturn:
    line = f", line {event.start_mark.line + 1}" if event.start_mark else ""
    raise ConfigError(f"{where}{line}: not YAML that is read here ({what[:200]})")
